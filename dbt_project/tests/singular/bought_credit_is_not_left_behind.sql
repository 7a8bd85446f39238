-- What a customer has bought is used in its contract, or somebody knows that it was not.
select
    contract_id,
    credit_id,
    currency,
    amount
from {{ ref('int_credit_left_behind') }}
