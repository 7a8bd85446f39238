{{ config(sql_header=hash_joins() ~ ';') }}
-- A credit pays no more than it has ever held, over all invoices, drafts included. It may have left
-- the catalog since, or been lowered below what it had paid by then.
with

spent as (

    select
        fct_invoice_lines.contract_id,
        fct_invoice_lines.reference_id as grant_id,
        sum(fct_invoice_lines.amount) as amount
    from {{ ref('fct_invoice_lines') }} as fct_invoice_lines
    inner join {{ ref('fct_invoices') }} as fct_invoices
        on fct_invoice_lines.invoice_id = fct_invoices.invoice_id
    where
        fct_invoice_lines.kind = 'credit'
        and fct_invoices.status <> 'void'
    group by fct_invoice_lines.contract_id, fct_invoice_lines.reference_id

),

holdings as (

    select
        contract_id,
        grant_id,
        amount
    from {{ ref('int_credit_grants') }}

    union all

    select
        contract_id,
        credit_id as grant_id,
        amount
    from {{ source('catalog', 'credit_grants') }}
    where every_periods is null

),

held as (

    select
        contract_id,
        grant_id,
        max(amount) as amount
    from holdings
    group by contract_id, grant_id

)

select
    spent.contract_id,
    spent.grant_id,
    held.amount as held,
    spent.amount as spent
from spent
left join held
    on
        spent.contract_id = held.contract_id
        and spent.grant_id = held.grant_id
where coalesce(held.amount, 0) + spent.amount < 0
