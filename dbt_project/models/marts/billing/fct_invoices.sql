with

drafts as (

    select
        invoice_id,
        kind,
        customer_id,
        contract_id,
        plan_id,
        period_start,
        period_end,
        currency,
        subtotal,
        tax,
        tax_included,
        total,
        amount_due,
        catalog_version
    from {{ ref('int_invoices') }}

),

finalised as (

    select
        invoice_id,
        invoice_number,
        kind,
        customer_id,
        contract_id,
        plan_id,
        period_start,
        period_end,
        currency,
        subtotal,
        tax,
        tax_included,
        total,
        amount_due,
        catalog_version,
        finalised_at,
        content_hash
    from {{ source('billing', 'invoices') }}

),

events as (

    select
        invoice_id,
        bool_or(event = 'approved') as is_approved,
        bool_or(event = 'posted') as is_posted,
        bool_or(event = 'voided') as is_voided
    from {{ source('billing', 'invoice_events') }}
    group by invoice_id

),

stripe_invoices as (

    select
        invoice_id,
        stripe_invoice_id,
        status
    from {{ source('billing', 'stripe_invoices') }}

),

invoices as (

    select
        drafts.invoice_id,
        null as invoice_number,
        drafts.kind,
        drafts.customer_id,
        drafts.contract_id,
        drafts.plan_id,
        drafts.period_start,
        drafts.period_end,
        'draft' as status,
        drafts.subtotal,
        drafts.tax,
        drafts.tax_included,
        drafts.total,
        drafts.amount_due,
        drafts.currency,
        drafts.catalog_version,
        null::timestamptz as finalised_at,
        null as stripe_invoice_id,
        null as content_hash
    from drafts
    left join finalised
        on drafts.invoice_id = finalised.invoice_id
    where finalised.invoice_id is null

    union all

    select
        finalised.invoice_id,
        finalised.invoice_number,
        finalised.kind,
        finalised.customer_id,
        finalised.contract_id,
        finalised.plan_id,
        finalised.period_start,
        finalised.period_end,
        case
            when events.is_voided then 'void'
            when stripe_invoices.status is not null and events.is_posted
                then stripe_invoices.status
            when events.is_posted then 'posted'
            when events.is_approved and finalised.amount_due = 0 then 'paid'
            when events.is_approved then 'approved'
            else 'finalised'
        end as status,
        finalised.subtotal,
        finalised.tax,
        finalised.tax_included,
        finalised.total,
        finalised.amount_due,
        finalised.currency,
        finalised.catalog_version,
        finalised.finalised_at,
        stripe_invoices.stripe_invoice_id,
        finalised.content_hash
    from finalised
    left join events
        on finalised.invoice_id = events.invoice_id
    left join stripe_invoices
        on finalised.invoice_id = stripe_invoices.invoice_id

)

select
    invoice_id::text as invoice_id,
    invoice_number::text as invoice_number,
    kind::text as kind,
    customer_id::text as customer_id,
    contract_id::text as contract_id,
    plan_id::text as plan_id,
    period_start::date as period_start,
    period_end::date as period_end,
    status::text as status,
    subtotal::numeric(20, 3) as subtotal,
    tax::numeric(20, 3) as tax,
    tax_included::numeric(20, 3) as tax_included,
    total::numeric(20, 3) as total,
    amount_due::numeric(20, 3) as amount_due,
    currency::text as currency,
    catalog_version::text as catalog_version,
    finalised_at::timestamptz as finalised_at,
    stripe_invoice_id::text as stripe_invoice_id,
    content_hash::text as content_hash
from invoices
