{{ config(sql_header=hash_joins() ~ ';') }}
-- Every credit line of an invoice, void ones included, is in the ledger, and nothing else is spent.
with

entries as (

    select
        invoice_id,
        grant_id,
        sum(amount) as amount
    from {{ ref('fct_credit_entries') }}
    where account = 'available' and kind in ('grant', 'spending') and invoice_id is not null
    group by invoice_id, grant_id

),

lines as (

    select
        invoice_id,
        reference_id as grant_id,
        amount
    from {{ ref('fct_invoice_lines') }}
    where kind = 'credit'

)

select
    coalesce(entries.invoice_id, lines.invoice_id) as invoice_id,
    coalesce(entries.grant_id, lines.grant_id) as grant_id,
    entries.amount as entered,
    lines.amount as invoiced
from entries
full join lines
    on
        entries.invoice_id = lines.invoice_id
        and entries.grant_id = lines.grant_id
where entries.amount is distinct from lines.amount
