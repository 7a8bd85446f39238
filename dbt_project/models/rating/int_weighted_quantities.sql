with

parameters as (

    select as_of
    from {{ source('ops', 'parameters') }}

),

periods as (

    select
        invoice_id,
        period_start_at
    from {{ ref('int_contract_periods') }}

),

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        catalog_version,
        dimension_id,
        price_id
    from {{ ref('int_charge_parts') }}

),

dimensions as (

    select
        catalog_version,
        dimension_id,
        has_deltas,
        carry_over
    from {{ source('catalog', 'dimensions') }}
    where aggregation = 'time_weighted'

),

price_keys as (

    select
        catalog_version,
        price_id,
        metadata_keys
    from {{ ref('int_price_keys') }}

),

spans as (

    select
        tenant_id,
        dimension_id,
        usage_filter,
        span_start_at,
        span_end_at,
        invoice_id,
        charge_id,
        part_number
    from {{ ref('int_metered_spans') }}
    where status = 'rated'

),

-- Where all records of an instant were taken back, it says nothing.
samples as (

    select
        tenant_id,
        dimension_id,
        group_key,
        usage_group,
        started_at,
        quantity_last as level,
        sum(quantity_sum) over series as level_by_deltas,
        lead(started_at, 1, 'infinity'::timestamptz) over series as next_at
    from {{ ref('int_usage_moments') }}
    where
        grain = 'instant'
        and last_recorded_at is not null
    window series as (
        partition by tenant_id, dimension_id, group_key
        order by started_at
    )

),

weighted_parts as (

    select
        parts.invoice_id,
        parts.charge_id,
        parts.part_number,
        dimensions.has_deltas,
        dimensions.carry_over,
        price_keys.metadata_keys,
        periods.period_start_at
    from parts
    inner join dimensions
        on
            parts.catalog_version = dimensions.catalog_version
            and parts.dimension_id = dimensions.dimension_id
    inner join periods
        on parts.invoice_id = periods.invoice_id
    left join price_keys
        on
            parts.catalog_version = price_keys.catalog_version
            and parts.price_id = price_keys.price_id

),

-- A level holds until the next sample of its series, a tenant's group; of an open period, as far as
-- time has gone. Unless it is carried over, a period begins at zero.
held as (

    select
        weighted_parts.invoice_id,
        weighted_parts.charge_id,
        weighted_parts.part_number,
        {{ group_by_keys('samples.usage_group', 'weighted_parts.metadata_keys') }}
            as pricing_group,
        case
            when weighted_parts.has_deltas then samples.level_by_deltas
            else samples.level
        end as level,
        extract(
            epoch from least(samples.next_at, spans.span_end_at, parameters.as_of)
            - greatest(samples.started_at, spans.span_start_at)
        ) as seconds
    from weighted_parts
    inner join spans
        on
            weighted_parts.invoice_id = spans.invoice_id
            and weighted_parts.charge_id = spans.charge_id
            and weighted_parts.part_number = spans.part_number
    cross join parameters
    inner join samples
        on
            spans.tenant_id = samples.tenant_id
            and spans.dimension_id = samples.dimension_id
            and spans.span_start_at < samples.next_at
            and least(spans.span_end_at, parameters.as_of) > samples.started_at
            and {{ meets_filter('samples.usage_group', 'spans.usage_filter') }}
    where
        weighted_parts.carry_over
        or samples.started_at >= weighted_parts.period_start_at

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    pricing_group::jsonb as pricing_group,
    {{ divide('sum(level * seconds)', '3600', 18) }}::numeric(38, 18) as quantity
from held
group by invoice_id, charge_id, part_number, pricing_group
