{{ config(indexes=[{'columns': ['invoice_id']}]) }}

with

drafts as (

    select
        invoice_id,
        catalog_version,
        contract_id,
        customer_id,
        for_customer_id,
        plan_id,
        currency
    from {{ ref('int_draft_invoices') }}

),

lines as (

    select
        invoice_line_id,
        invoice_id,
        kind,
        section,
        position,
        place,
        charge_id,
        dimension_id,
        reference_id,
        period_start,
        period_end,
        quantity,
        billable_quantity,
        exact_amount,
        amount,
        description,
        explanation
    from {{ ref('int_lines_before_tax') }}

    union all

    select
        invoice_line_id,
        invoice_id,
        kind,
        5 as section,
        position,
        0 as place,
        null as charge_id,
        null as dimension_id,
        reference_id,
        period_start,
        period_end,
        null::numeric as quantity,
        null::numeric as billable_quantity,
        exact_amount,
        amount,
        description,
        explanation
    from {{ ref('int_tax_lines') }}

),

usage_explanations as (

    select
        invoice_line_id,
        explanation
    from {{ ref('int_usage_explanations') }}

),

included_taxes as (

    select
        invoice_line_id,
        included_amount
    from {{ ref('int_included_taxes') }}

)

select
    lines.invoice_line_id::text as invoice_line_id,
    lines.invoice_id::text as invoice_id,
    row_number() over (
        partition by lines.invoice_id
        order by
            lines.section,
            lines.position,
            case when lines.place = 2 then 1 else 0 end,
            lines.period_start,
            lines.place,
            lines.invoice_line_id
    )::integer as line_number,
    lines.kind::text as kind,
    drafts.customer_id::text as customer_id,
    drafts.for_customer_id::text as for_customer_id,
    drafts.contract_id::text as contract_id,
    drafts.plan_id::text as plan_id,
    lines.charge_id::text as charge_id,
    lines.dimension_id::text as dimension_id,
    lines.reference_id::text as reference_id,
    lines.period_start::date as period_start,
    lines.period_end::date as period_end,
    lines.quantity::numeric(38, 9) as quantity,
    lines.billable_quantity::numeric(38, 9) as billable_quantity,
    lines.exact_amount::numeric(38, 12) as exact_amount,
    lines.amount::numeric(20, 3) as amount,
    coalesce(included_taxes.included_amount, 0)::numeric(20, 3) as tax_included,
    drafts.currency::text as currency,
    lines.description::text as description,
    drafts.catalog_version::text as catalog_version,
    (lines.explanation || coalesce(usage_explanations.explanation, '{}'::jsonb))::jsonb
        as explanation
from lines
inner join drafts
    on lines.invoice_id = drafts.invoice_id
left join usage_explanations
    on lines.invoice_line_id = usage_explanations.invoice_line_id
left join included_taxes
    on lines.invoice_line_id = included_taxes.invoice_line_id
