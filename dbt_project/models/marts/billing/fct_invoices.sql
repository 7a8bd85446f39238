with

drafts as (

    select
        invoice_id,
        kind,
        customer_id,
        for_customer_id,
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
        document_id,
        first_value(invoice_number) over (
            partition by document_id order by invoice_sequence
        ) as document_number,
        sum(amount_due) over (partition by document_id) as document_due,
        kind,
        customer_id,
        for_customer_id,
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

payments as (

    select
        invoice_id,
        stripe_invoice_id,
        payment_status,
        amount_paid
    from {{ ref('int_invoice_payments') }}

),

invoices as (

    select
        drafts.invoice_id,
        null as invoice_number,
        null as document_id,
        null as document_number,
        drafts.kind,
        drafts.customer_id,
        drafts.for_customer_id,
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
        0 as amount_paid,
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
        finalised.document_id,
        finalised.document_number,
        finalised.kind,
        finalised.customer_id,
        finalised.for_customer_id,
        finalised.contract_id,
        finalised.plan_id,
        finalised.period_start,
        finalised.period_end,
        case
            when events.is_voided then 'void'
            when payments.payment_status is not null and events.is_posted
                then payments.payment_status
            when events.is_posted then 'posted'
            when events.is_approved and finalised.document_due = 0 then 'paid'
            when events.is_approved then 'approved'
            else 'finalised'
        end as status,
        finalised.subtotal,
        finalised.tax,
        finalised.tax_included,
        finalised.total,
        finalised.amount_due,
        coalesce(payments.amount_paid, 0) as amount_paid,
        finalised.currency,
        finalised.catalog_version,
        finalised.finalised_at,
        payments.stripe_invoice_id,
        finalised.content_hash
    from finalised
    left join events
        on finalised.invoice_id = events.invoice_id
    left join payments
        on finalised.invoice_id = payments.invoice_id

)

select
    invoices.invoice_id::text as invoice_id,
    invoices.invoice_number::text as invoice_number,
    invoices.document_id::text as document_id,
    invoices.document_number::text as document_number,
    invoices.kind::text as kind,
    invoices.customer_id::text as customer_id,
    invoices.for_customer_id::text as for_customer_id,
    invoices.contract_id::text as contract_id,
    invoices.plan_id::text as plan_id,
    invoices.period_start::date as period_start,
    invoices.period_end::date as period_end,
    invoices.status::text as status,
    invoices.subtotal::numeric(20, 3) as subtotal,
    invoices.tax::numeric(20, 3) as tax,
    invoices.tax_included::numeric(20, 3) as tax_included,
    invoices.total::numeric(20, 3) as total,
    invoices.amount_due::numeric(20, 3) as amount_due,
    invoices.amount_paid::numeric(20, 3) as amount_paid,
    invoices.currency::text as currency,
    invoices.catalog_version::text as catalog_version,
    invoices.finalised_at::timestamptz as finalised_at,
    invoices.stripe_invoice_id::text as stripe_invoice_id,
    invoices.content_hash::text as content_hash,
    {{ in_reporting_currency('invoices.subtotal') }} as reporting_subtotal,
    {{ in_reporting_currency('invoices.tax') }} as reporting_tax,
    {{ in_reporting_currency('invoices.total') }} as reporting_total,
    currency_rates.reporting_currency::text as reporting_currency
from invoices
{{ join_rate('invoices', '(invoices.period_end - 1)') }}
