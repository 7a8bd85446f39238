with

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        price_keys,
        period_start_at,
        carry_over
    from {{ ref('int_metered_parts') }}
    where aggregation = 'latest' and bucket_every is null

),

spans as (

    select
        tenant_id,
        dimension_id,
        usage_filter,
        span_end_at,
        invoice_id,
        charge_id,
        part_number
    from {{ ref('int_metered_spans') }}
    where status = 'rated'

),

cells as (

    select
        tenant_id,
        dimension_id,
        usage_group,
        started_at,
        quantity_last,
        last_recorded_at
    from {{ ref('int_usage_cells') }}
    where last_recorded_at is not null

),

-- The level a tenant has at the end of a part is the latest recorded before: in the period, or
-- ever, however long ago.
tenant_levels as (

    select
        parts.invoice_id,
        parts.charge_id,
        parts.part_number,
        {{ group_by_keys('cells.usage_group', 'parts.price_keys') }} as pricing_group,
        cells.tenant_id,
        {{ latest_by('cells.quantity_last', 'cells.last_recorded_at', 'true') }} as quantity
    from parts
    inner join spans
        on
            parts.invoice_id = spans.invoice_id
            and parts.charge_id = spans.charge_id
            and parts.part_number = spans.part_number
    inner join cells
        on
            spans.tenant_id = cells.tenant_id
            and spans.dimension_id = cells.dimension_id
            and spans.span_end_at > cells.started_at
            and {{ meets_filter('cells.usage_group', 'spans.usage_filter') }}
    where parts.carry_over or cells.started_at >= parts.period_start_at
    group by
        parts.invoice_id,
        parts.charge_id,
        parts.part_number,
        pricing_group,
        cells.tenant_id

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    pricing_group::jsonb as pricing_group,
    sum(quantity)::numeric(38, 9) as quantity
from tenant_levels
group by invoice_id, charge_id, part_number, pricing_group
