{{ config(sql_header=hash_joins() ~ ';') }}
-- One invoice per contract and period: no day of a contract is on two invoices of periods.
select
    earlier.invoice_id,
    later.invoice_id as overlapping_invoice_id
from {{ ref('fct_invoices') }} as earlier
inner join {{ ref('fct_invoices') }} as later
    on
        earlier.contract_id = later.contract_id
        and earlier.invoice_id < later.invoice_id
        and earlier.period_start < later.period_end
        and earlier.period_end > later.period_start
where
    earlier.kind = 'period'
    and later.kind = 'period'
    and earlier.status <> 'void'
    and later.status <> 'void'
