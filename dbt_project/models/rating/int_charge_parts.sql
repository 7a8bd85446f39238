with

periods as (

    select
        invoice_id,
        catalog_version,
        contract_id,
        customer_id,
        plan_id,
        timezone,
        period_start,
        period_end,
        period_start_at,
        period_end_at,
        period_days,
        full_period_days,
        is_closed
    from {{ ref('int_contract_periods') }}

),

charges as (

    select
        catalog_version,
        plan_id,
        charge_id,
        position,
        name,
        dimension_id,
        usage_filter,
        group_by,
        bucket_every,
        bucket_then,
        tiers_span,
        included_quantity,
        price_id
    from {{ source('catalog', 'charges') }}

),

overrides as (

    select
        catalog_version,
        contract_id,
        charge_id,
        valid_from,
        valid_to,
        price_id
    from {{ source('catalog', 'contract_overrides') }}

),

-- A change of price inside a period splits it, for the charge it concerns.
changes as (

    select
        catalog_version,
        contract_id,
        charge_id,
        valid_from as changed_on
    from overrides

    union distinct

    select
        catalog_version,
        contract_id,
        charge_id,
        valid_to as changed_on
    from overrides

),

period_charges as (

    select
        periods.invoice_id,
        periods.catalog_version,
        periods.contract_id,
        periods.customer_id,
        periods.timezone,
        periods.period_start,
        periods.period_end,
        periods.period_start_at,
        periods.period_end_at,
        periods.period_days,
        periods.full_period_days,
        periods.is_closed,
        charges.charge_id,
        charges.position,
        charges.name,
        charges.dimension_id,
        charges.usage_filter,
        charges.group_by,
        charges.bucket_every,
        charges.bucket_then,
        charges.tiers_span,
        charges.included_quantity,
        charges.price_id
    from periods
    inner join charges
        on
            periods.catalog_version = charges.catalog_version
            and periods.plan_id = charges.plan_id

),

part_starts as (

    select
        invoice_id,
        charge_id,
        period_start as part_start
    from period_charges

    union distinct

    select
        period_charges.invoice_id,
        period_charges.charge_id,
        changes.changed_on as part_start
    from period_charges
    inner join changes
        on
            period_charges.catalog_version = changes.catalog_version
            and period_charges.contract_id = changes.contract_id
            and period_charges.charge_id = changes.charge_id
            and period_charges.period_start < changes.changed_on
            and period_charges.period_end > changes.changed_on

),

parts as (

    select
        period_charges.*,
        part_starts.part_start,
        row_number() over charge_parts as part_number,
        coalesce(lead(part_starts.part_start) over charge_parts, period_charges.period_end)
            as part_end
    from period_charges
    inner join part_starts
        on
            period_charges.invoice_id = part_starts.invoice_id
            and period_charges.charge_id = part_starts.charge_id
    window charge_parts as (
        partition by period_charges.invoice_id, period_charges.charge_id
        order by part_starts.part_start
    )

),

priced_parts as (

    select
        parts.*,
        coalesce(overrides.price_id, parts.price_id) as effective_price_id
    from parts
    left join overrides
        on
            parts.catalog_version = overrides.catalog_version
            and parts.contract_id = overrides.contract_id
            and parts.charge_id = overrides.charge_id
            and parts.part_start >= overrides.valid_from
            and (overrides.valid_to is null or parts.part_start < overrides.valid_to)

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    catalog_version::text as catalog_version,
    contract_id::text as contract_id,
    customer_id::text as customer_id,
    is_closed::boolean as is_closed,
    position::integer as position,
    name::text as name,
    dimension_id::text as dimension_id,
    usage_filter::jsonb as usage_filter,
    group_by::jsonb as group_by,
    bucket_every::text as bucket_every,
    bucket_then::text as bucket_then,
    tiers_span::text as tiers_span,
    timezone::text as timezone,
    included_quantity::numeric(38, 9) as included_quantity,
    effective_price_id::text as price_id,
    part_start::date as part_start,
    part_end::date as part_end,
    (
        case
            when part_start = period_start then period_start_at
            else {{ start_of_day('part_start', 'timezone') }}
        end
    )::timestamptz as part_start_at,
    (
        case
            when part_end = period_end then period_end_at
            else {{ start_of_day('part_end', 'timezone') }}
        end
    )::timestamptz as part_end_at,
    (part_end - part_start)::integer as part_days,
    period_days::integer as period_days,
    full_period_days::integer as full_period_days
from priced_parts
