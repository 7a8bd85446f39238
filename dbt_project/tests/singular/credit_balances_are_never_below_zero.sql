-- At no instant has a grant paid or lost more than it held, nor has more come back than was spent.
select
    entry_id,
    account,
    balance
from {{ ref('fct_credit_entries') }}
where
    (account <> 'granted' and balance < 0)
    or (account = 'granted' and balance > 0)
