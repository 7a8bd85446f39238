with

spans as (

    select
        tenant_id,
        dimension_id,
        span_start_at,
        span_end_at,
        invoice_id,
        charge_id,
        part_number
    from {{ ref('int_metered_spans') }}

),

periods as (

    select
        customer_id,
        period_start_at,
        period_end_at
    from {{ ref('int_contract_periods') }}

),

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        catalog_version,
        price_id,
        bucket_every,
        timezone,
        part_start,
        part_end
    from {{ ref('int_charge_parts') }}

),

seat_prices as (

    select
        catalog_version,
        price_id
    from {{ source('catalog', 'prices') }}
    where model = 'seat'

),

-- Charges with a price of seats in some of their parts: seats are counted through all of them.
seat_charges as (

    select distinct
        parts.invoice_id,
        parts.charge_id
    from parts
    inner join seat_prices
        on
            parts.catalog_version = seat_prices.catalog_version
            and parts.price_id = seat_prices.price_id

),

-- Buckets of a day begin with the customer's days, and so do changes of seats.
bucketed_parts as (

    select
        parts.invoice_id,
        parts.charge_id,
        parts.part_number,
        parts.timezone,
        parts.part_start,
        parts.part_end
    from parts
    left join seat_charges
        on
            parts.invoice_id = seat_charges.invoice_id
            and parts.charge_id = seat_charges.charge_id
    where
        parts.bucket_every = 'day'
        or seat_charges.charge_id is not null

),

-- Of every catalog: a tenant that comes back finds its usage cut where it was.
tenants as (

    select distinct
        tenant_id,
        contract_customer_id as customer_id
    from {{ source('catalog', 'tenants') }}

),

used as (

    select distinct
        tenant_id,
        dimension_id
    from {{ ref('fct_usage_monthly') }}

),

edges_of_periods as (

    select
        customer_id,
        period_start_at as boundary_at
    from periods

    union distinct

    select
        customer_id,
        period_end_at as boundary_at
    from periods

),

boundaries as (

    select
        tenant_id,
        dimension_id,
        span_start_at as boundary_at
    from spans

    union distinct

    select
        tenant_id,
        dimension_id,
        span_end_at as boundary_at
    from spans

    union distinct

    select
        used.tenant_id,
        used.dimension_id,
        edges_of_periods.boundary_at
    from used
    inner join tenants
        on used.tenant_id = tenants.tenant_id
    inner join edges_of_periods
        on tenants.customer_id = edges_of_periods.customer_id

    union distinct

    select
        spans.tenant_id,
        spans.dimension_id,
        {{ start_of_day('days.started_on', 'bucketed_parts.timezone') }} as boundary_at
    from spans
    inner join bucketed_parts
        on
            spans.invoice_id = bucketed_parts.invoice_id
            and spans.charge_id = bucketed_parts.charge_id
            and spans.part_number = bucketed_parts.part_number
    cross join lateral (
        select bucketed_parts.part_start + numbers.number as started_on
        from generate_series(1, bucketed_parts.part_end - bucketed_parts.part_start - 1)
            as numbers (number)
    ) as days

)

select
    tenant_id::text as tenant_id,
    dimension_id::text as dimension_id,
    boundary_at::timestamptz as boundary_at
from boundaries
