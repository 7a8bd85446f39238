with

revenue_lines as (

    select
        invoice_line_id,
        customer_id,
        contract_id,
        charge_id,
        period_start,
        period_end
    from {{ ref('int_revenue_lines') }}

),

pieces as (

    select
        invoice_id,
        contract_id,
        charge_id,
        part_number,
        tenant_id,
        dimension_id,
        usage_hour,
        quantity_sum,
        record_count,
        quantity_max,
        quantity_last
    from {{ ref('int_usage_pieces') }}
    where status = 'rated'

),

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        part_start,
        part_end
    from {{ ref('int_charge_parts') }}

),

dimensions as (

    select
        dimension_id,
        aggregation
    from {{ ref('stg_catalog__dimensions') }}

),

tenants as (

    select
        tenant_id,
        customer_id
    from {{ ref('stg_catalog__tenants') }}

),

-- Hours add up to a part's usage for sums and counts; of levels, the highest and the last count.
part_quantities as (

    select
        pieces.invoice_id,
        pieces.contract_id,
        pieces.charge_id,
        pieces.part_number,
        pieces.tenant_id,
        dimensions.aggregation,
        sum(pieces.quantity_sum) as quantity_sum,
        sum(pieces.record_count) as record_count,
        max(pieces.quantity_max) as quantity_max,
        {{ latest_by(
            'pieces.quantity_last', 'pieces.usage_hour desc', 'pieces.quantity_last is not null'
        ) }} as quantity_last
    from pieces
    inner join dimensions
        on pieces.dimension_id = dimensions.dimension_id
    group by
        pieces.invoice_id,
        pieces.contract_id,
        pieces.charge_id,
        pieces.part_number,
        pieces.tenant_id,
        dimensions.aggregation

),

usage_shares as (

    select
        revenue_lines.invoice_line_id,
        part_quantities.tenant_id,
        sum(
            {{ quantity_by_aggregation('part_quantities.aggregation', 'part_quantities') }}
        ) as weight
    from revenue_lines
    inner join part_quantities
        on
            revenue_lines.contract_id = part_quantities.contract_id
            and revenue_lines.charge_id = part_quantities.charge_id
    inner join parts
        on
            part_quantities.invoice_id = parts.invoice_id
            and part_quantities.charge_id = parts.charge_id
            and part_quantities.part_number = parts.part_number
            and revenue_lines.period_start <= parts.part_start
            and revenue_lines.period_end >= parts.part_end
    group by revenue_lines.invoice_line_id, part_quantities.tenant_id

),

even_shares as (

    select
        revenue_lines.invoice_line_id,
        coalesce(tenants.tenant_id, revenue_lines.customer_id) as tenant_id,
        1 as weight
    from revenue_lines
    left join tenants
        on revenue_lines.customer_id = tenants.customer_id
    where not exists (
        select usage_shares.invoice_line_id
        from usage_shares
        where
            usage_shares.invoice_line_id = revenue_lines.invoice_line_id
            and usage_shares.weight > 0
    )

),

shares as (

    select
        invoice_line_id,
        tenant_id,
        weight
    from usage_shares
    where weight > 0

    union all

    select
        invoice_line_id,
        tenant_id,
        weight
    from even_shares

)

select
    invoice_line_id::text as invoice_line_id,
    tenant_id::text as tenant_id,
    weight::numeric(38, 9) as weight
from shares
