with

drafts as (

    select
        invoice_line_id,
        invoice_id,
        line_number,
        kind,
        customer_id,
        contract_id,
        plan_id,
        charge_id,
        dimension_id,
        reference_id,
        period_start,
        period_end,
        quantity,
        billable_quantity,
        exact_amount,
        amount,
        tax_included,
        currency,
        description,
        catalog_version,
        explanation
    from {{ ref('int_invoice_lines') }}

),

finalised as (

    select
        invoice_line_id,
        invoice_id,
        line_number,
        kind,
        customer_id,
        contract_id,
        plan_id,
        charge_id,
        dimension_id,
        reference_id,
        period_start,
        period_end,
        quantity,
        billable_quantity,
        exact_amount,
        amount,
        tax_included,
        currency,
        description,
        catalog_version,
        explanation
    from {{ source('billing', 'invoice_lines') }}

),

finalised_invoices as (

    select invoice_id
    from {{ source('billing', 'invoices') }}

),

lines as (

    select
        drafts.invoice_line_id,
        drafts.invoice_id,
        drafts.line_number,
        drafts.kind,
        drafts.customer_id,
        drafts.contract_id,
        drafts.plan_id,
        drafts.charge_id,
        drafts.dimension_id,
        drafts.reference_id,
        drafts.period_start,
        drafts.period_end,
        drafts.quantity,
        drafts.billable_quantity,
        drafts.exact_amount,
        drafts.amount,
        drafts.tax_included,
        drafts.currency,
        drafts.description,
        drafts.catalog_version,
        drafts.explanation,
        false as is_final
    from drafts
    left join finalised_invoices
        on drafts.invoice_id = finalised_invoices.invoice_id
    where finalised_invoices.invoice_id is null

    union all

    select
        invoice_line_id,
        invoice_id,
        line_number,
        kind,
        customer_id,
        contract_id,
        plan_id,
        charge_id,
        dimension_id,
        reference_id,
        period_start,
        period_end,
        quantity,
        billable_quantity,
        exact_amount,
        amount,
        tax_included,
        currency,
        description,
        catalog_version,
        explanation,
        true as is_final
    from finalised

)

select
    invoice_line_id::text as invoice_line_id,
    invoice_id::text as invoice_id,
    line_number::integer as line_number,
    kind::text as kind,
    customer_id::text as customer_id,
    contract_id::text as contract_id,
    plan_id::text as plan_id,
    charge_id::text as charge_id,
    dimension_id::text as dimension_id,
    reference_id::text as reference_id,
    period_start::date as period_start,
    period_end::date as period_end,
    quantity::numeric(38, 9) as quantity,
    billable_quantity::numeric(38, 9) as billable_quantity,
    exact_amount::numeric(38, 12) as exact_amount,
    amount::numeric(20, 3) as amount,
    tax_included::numeric(20, 3) as tax_included,
    currency::text as currency,
    description::text as description,
    catalog_version::text as catalog_version,
    explanation::jsonb as explanation,
    is_final::boolean as is_final
from lines
