with

drafts as (

    select
        invoice_line_id,
        invoice_id,
        line_number,
        kind,
        customer_id,
        for_customer_id,
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
        for_customer_id,
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

draft_invoices as (

    select
        invoice_id,
        period_end
    from {{ ref('int_draft_invoices') }}

),

finalised_invoices as (

    select
        invoice_id,
        period_end
    from {{ source('billing', 'invoices') }}

),

lines as (

    select
        drafts.*,
        draft_invoices.period_end as invoice_period_end,
        false as is_final
    from drafts
    inner join draft_invoices
        on drafts.invoice_id = draft_invoices.invoice_id
    left join finalised_invoices
        on drafts.invoice_id = finalised_invoices.invoice_id
    where finalised_invoices.invoice_id is null

    union all

    select
        finalised.*,
        finalised_invoices.period_end as invoice_period_end,
        true as is_final
    from finalised
    inner join finalised_invoices
        on finalised.invoice_id = finalised_invoices.invoice_id

)

select
    lines.invoice_line_id::text as invoice_line_id,
    lines.invoice_id::text as invoice_id,
    lines.line_number::integer as line_number,
    lines.kind::text as kind,
    lines.customer_id::text as customer_id,
    lines.for_customer_id::text as for_customer_id,
    lines.contract_id::text as contract_id,
    lines.plan_id::text as plan_id,
    lines.charge_id::text as charge_id,
    lines.dimension_id::text as dimension_id,
    lines.reference_id::text as reference_id,
    lines.period_start::date as period_start,
    lines.period_end::date as period_end,
    lines.quantity::numeric(38, 9) as quantity,
    lines.billable_quantity::numeric(38, 9) as billable_quantity,
    lines.exact_amount::numeric(38, 12) as exact_amount,
    lines.amount::numeric(20, 3) as amount,
    lines.tax_included::numeric(20, 3) as tax_included,
    lines.currency::text as currency,
    lines.description::text as description,
    lines.catalog_version::text as catalog_version,
    lines.explanation::jsonb as explanation,
    lines.is_final::boolean as is_final,
    {{ in_reporting_currency('lines.amount') }} as reporting_amount,
    currency_rates.reporting_currency::text as reporting_currency
from lines
{{ join_rate('lines', '(lines.invoice_period_end - 1)') }}
