{{ config(sql_header=hash_joins() ~ ';') }}
-- Lines add up to their invoice, drafts and finalised ones alike.
with

line_totals as (

    select
        invoice_id,
        sum(amount) as total,
        sum(amount) filter (where kind = 'tax') as tax,
        sum(tax_included) as tax_included,
        sum(({{ json_text('explanation', "'included'") }})::numeric) filter (where kind = 'tax')
            as tax_stated
    from {{ ref('fct_invoice_lines') }}
    group by invoice_id

)

select
    fct_invoices.invoice_id,
    fct_invoices.total,
    line_totals.total as total_of_lines
from {{ ref('fct_invoices') }} as fct_invoices
left join line_totals
    on fct_invoices.invoice_id = line_totals.invoice_id
where
    fct_invoices.total <> coalesce(line_totals.total, 0)
    or fct_invoices.tax <> coalesce(line_totals.tax, 0)
    or fct_invoices.tax_included <> coalesce(line_totals.tax_included, 0)
    or fct_invoices.tax_included <> coalesce(line_totals.tax_stated, 0)
    or fct_invoices.subtotal + fct_invoices.tax <> fct_invoices.total
    or fct_invoices.total < 0
