with

invoices as (

    select
        invoice_id,
        document_id,
        invoice_sequence,
        amount_due
    from {{ source('billing', 'invoices') }}

),

stripe_invoices as (

    select
        invoice_id as document_id,
        stripe_invoice_id,
        status,
        amount_paid
    from {{ source('billing', 'stripe_invoices') }}

),

due as (

    select
        invoices.invoice_id,
        invoices.amount_due,
        stripe_invoices.stripe_invoice_id,
        stripe_invoices.status,
        stripe_invoices.amount_paid,
        coalesce(
            sum(invoices.amount_due) over (
                partition by invoices.document_id
                order by invoices.invoice_sequence
                rows between unbounded preceding and 1 preceding
            ), 0
        ) as due_before,
        row_number() over (
            partition by invoices.document_id
            order by invoices.amount_due > 0 desc, invoices.invoice_sequence desc
        ) = 1 as is_last_due
    from invoices
    inner join stripe_invoices
        on invoices.document_id = stripe_invoices.document_id

)

-- The last one with anything due takes what is left, with what Stripe Tax has added: together they
-- are what was paid.
select
    invoice_id::text as invoice_id,
    stripe_invoice_id::text as stripe_invoice_id,
    status::text as payment_status,
    case
        when is_last_due then greatest(amount_paid - due_before, 0)
        else least(greatest(amount_paid - due_before, 0), amount_due)
    end::numeric(20, 3) as amount_paid
from due
