with

stripe_invoices as (

    select
        stripe_invoice_id,
        invoice_id,
        status,
        currency,
        total,
        tax,
        amount_due,
        amount_paid,
        amount_remaining,
        attempt_count,
        hosted_invoice_url,
        synced_at
    from {{ source('billing', 'stripe_invoices') }}

),

invoices as (

    select
        invoice_id,
        invoice_number,
        customer_id,
        contract_id
    from {{ ref('fct_invoices') }}

)

select
    stripe_invoices.stripe_invoice_id::text as stripe_invoice_id,
    stripe_invoices.invoice_id::text as invoice_id,
    invoices.invoice_number::text as invoice_number,
    invoices.customer_id::text as customer_id,
    invoices.contract_id::text as contract_id,
    stripe_invoices.status::text as payment_status,
    stripe_invoices.total::numeric(20, 3) as total,
    stripe_invoices.tax::numeric(20, 3) as tax_by_stripe,
    stripe_invoices.amount_due::numeric(20, 3) as amount_due,
    stripe_invoices.amount_paid::numeric(20, 3) as amount_paid,
    stripe_invoices.amount_remaining::numeric(20, 3) as amount_remaining,
    stripe_invoices.currency::text as currency,
    stripe_invoices.attempt_count::integer as attempt_count,
    stripe_invoices.hosted_invoice_url::text as hosted_invoice_url,
    stripe_invoices.synced_at::timestamptz as synced_at
from stripe_invoices
left join invoices
    on stripe_invoices.invoice_id = invoices.invoice_id
