select document_id
from {{ ref('fct_invoices') }}
where document_id is not null
group by document_id
having
    min(customer_id) <> max(customer_id)
    or min(currency) <> max(currency)
    or min(period_end) <> max(period_end)
    or min(status) <> max(status)
