with

parameters as (

    select invoices_before
    from {{ source('ops', 'parameters') }}

),

invoices as (

    select
        invoice_id,
        invoice_sequence,
        invoice_number,
        first_value(invoice_number) over (
            partition by document_id
            order by invoice_sequence
        ) as document_number,
        kind,
        invoice_key,
        contract_id,
        customer_id,
        currency,
        catalog_version,
        period_start,
        period_end,
        period_start_at,
        period_end_at
    from {{ source('billing', 'closed_periods') }}

),

voided_invoices as (

    select
        invoice_id,
        voided_at_sequence
    from {{ source('billing', 'voided_invoices') }}

)

select
    invoices.invoice_id::text as invoice_id,
    invoices.invoice_sequence::bigint as invoice_sequence,
    case
        when voided_invoices.voided_at_sequence < parameters.invoices_before
            then voided_invoices.voided_at_sequence
    end::bigint as voided_at_sequence,
    invoices.customer_id::text as customer_id,
    invoices.currency::text as currency,
    invoices.invoice_number::text as invoice_number,
    invoices.document_number::text as document_number,
    invoices.kind::text as kind,
    invoices.invoice_key::text as invoice_key,
    invoices.contract_id::text as contract_id,
    invoices.catalog_version::text as catalog_version,
    invoices.period_start::date as period_start,
    invoices.period_end::date as period_end,
    invoices.period_start_at::timestamptz as period_start_at,
    invoices.period_end_at::timestamptz as period_end_at,
    coalesce(voided_invoices.voided_at_sequence < parameters.invoices_before, false)::boolean
        as is_void
from invoices
inner join parameters
    on invoices.invoice_sequence < parameters.invoices_before
left join voided_invoices
    on invoices.invoice_id = voided_invoices.invoice_id
