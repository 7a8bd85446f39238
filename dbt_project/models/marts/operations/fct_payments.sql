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

documents as (

    select
        document_id,
        document_number,
        customer_id,
        case when count(*) = 1 then min(contract_id) end as contract_id
    from {{ ref('fct_invoices') }}
    where document_id is not null
    group by document_id, document_number, customer_id

)

select
    stripe_invoices.stripe_invoice_id::text as stripe_invoice_id,
    stripe_invoices.invoice_id::text as invoice_id,
    documents.document_number::text as invoice_number,
    documents.customer_id::text as customer_id,
    documents.contract_id::text as contract_id,
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
left join documents
    on stripe_invoices.invoice_id = documents.document_id
