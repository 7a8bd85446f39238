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

part_usage as (

    select
        invoice_id,
        contract_id,
        charge_id,
        part_number,
        tenant_id,
        quantity
    from {{ ref('int_part_usage') }}

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

tenants as (

    select
        tenant_id,
        customer_id
    from {{ source('catalog', 'tenants') }}
    where {{ is_current_version() }}

),

usage_shares as (

    select
        revenue_lines.invoice_line_id,
        part_usage.tenant_id,
        sum(part_usage.quantity) as weight
    from revenue_lines
    inner join part_usage
        on
            revenue_lines.contract_id = part_usage.contract_id
            and revenue_lines.charge_id = part_usage.charge_id
    inner join parts
        on
            part_usage.invoice_id = parts.invoice_id
            and part_usage.charge_id = parts.charge_id
            and part_usage.part_number = parts.part_number
            and revenue_lines.period_start <= parts.part_start
            and revenue_lines.period_end >= parts.part_end
    group by revenue_lines.invoice_line_id, part_usage.tenant_id

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
