with

parameters as (

    select catalog_version
    from {{ source('ops', 'parameters') }}

),

invoices as (

    select
        invoice_id,
        invoice_key
    from {{ ref('int_off_cycle_invoices') }}

),

manual_line_taxes as (

    select
        catalog_version,
        customer_id,
        manual_invoice_id,
        line_number,
        tax_id,
        position
    from {{ source('catalog', 'manual_line_taxes') }}

)

select
    (invoices.invoice_id || '/manual/' || manual_line_taxes.line_number)::text as invoice_line_id,
    invoices.invoice_id::text as invoice_id,
    manual_line_taxes.tax_id::text as tax_id,
    manual_line_taxes.position::integer as position
from manual_line_taxes
inner join parameters
    on manual_line_taxes.catalog_version = parameters.catalog_version
inner join invoices
    on
        manual_line_taxes.customer_id || ':manual:' || manual_line_taxes.manual_invoice_id
        = invoices.invoice_key
