{{ config(indexes=[{'columns': ['invoice_id']}]) }}

with

drafts as (

    select
        invoice_id,
        invoice_key,
        kind,
        revision,
        customer_id,
        for_customer_id,
        contract_id,
        plan_id,
        period_start,
        period_end,
        period_start_at,
        period_end_at,
        currency,
        minor_units,
        catalog_version
    from {{ ref('int_draft_invoices') }}

),

totals as (

    select
        invoice_id,
        sum(amount) filter (where kind <> 'tax') as subtotal,
        sum(amount) filter (where kind = 'tax') as tax,
        sum(tax_included) as tax_included,
        sum(amount) as total
    from {{ ref('int_invoice_lines') }}
    group by invoice_id

)

select
    drafts.invoice_id::text as invoice_id,
    drafts.invoice_key::text as invoice_key,
    drafts.kind::text as kind,
    drafts.revision::integer as revision,
    drafts.customer_id::text as customer_id,
    drafts.for_customer_id::text as for_customer_id,
    drafts.contract_id::text as contract_id,
    drafts.plan_id::text as plan_id,
    drafts.period_start::date as period_start,
    drafts.period_end::date as period_end,
    drafts.period_start_at::timestamptz as period_start_at,
    drafts.period_end_at::timestamptz as period_end_at,
    drafts.currency::text as currency,
    drafts.minor_units::integer as minor_units,
    coalesce(totals.subtotal, 0)::numeric(20, 3) as subtotal,
    coalesce(totals.tax, 0)::numeric(20, 3) as tax,
    coalesce(totals.tax_included, 0)::numeric(20, 3) as tax_included,
    coalesce(totals.total, 0)::numeric(20, 3) as total,
    coalesce(totals.total, 0)::numeric(20, 3) as amount_due,
    drafts.catalog_version::text as catalog_version
from drafts
left join totals
    on drafts.invoice_id = totals.invoice_id
