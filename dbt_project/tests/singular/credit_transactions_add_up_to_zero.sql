-- What one account gains another loses, and both belong to the same grant.
select transaction_id
from {{ ref('fct_credit_entries') }}
group by transaction_id
having
    sum(amount) <> 0
    or count(*) <> 2
    or min(contract_id || '/' || grant_id) <> max(contract_id || '/' || grant_id)
