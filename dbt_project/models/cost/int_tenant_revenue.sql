with

revenue_lines as (

    select
        invoice_line_id,
        revenue_month,
        revenue,
        currency,
        is_final
    from {{ ref('int_revenue_lines') }}

),

shares as (

    select
        invoice_line_id,
        tenant_id,
        weight
    from {{ ref('int_revenue_shares') }}

),

weighted as (

    select
        shares.invoice_line_id,
        shares.tenant_id,
        shares.weight,
        revenue_lines.revenue
    from shares
    inner join revenue_lines
        on shares.invoice_line_id = revenue_lines.invoice_line_id

),

split_lines as (

    {{ split_amounts(
        relation='weighted',
        whole=['invoice_line_id'],
        part='tenant_id',
        weight='weight',
        amounts=['revenue'],
    ) }}

)

select
    split_lines.invoice_line_id::text as invoice_line_id,
    split_lines.tenant_id::text as tenant_id,
    revenue_lines.revenue_month::date as revenue_month,
    split_lines.revenue::numeric(38, 12) as revenue,
    revenue_lines.currency::text as currency,
    revenue_lines.is_final::boolean as is_final
from split_lines
inner join revenue_lines
    on split_lines.invoice_line_id = revenue_lines.invoice_line_id
