with

transactions as (

    select
        transaction_id,
        kind,
        contract_id,
        customer_id,
        currency,
        grant_id,
        credit_id,
        is_paid,
        amount,
        from_account,
        to_account,
        booked_at,
        invoice_id,
        is_final
    from {{ ref('int_credit_transactions') }}

),

entries as (

    select
        transactions.*,
        transactions.from_account as account,
        -transactions.amount as entry_amount
    from transactions

    union all

    select
        transactions.*,
        transactions.to_account as account,
        transactions.amount as entry_amount
    from transactions

)

select
    (transaction_id || '/' || account)::text as entry_id,
    transaction_id::text as transaction_id,
    kind::text as kind,
    customer_id::text as customer_id,
    contract_id::text as contract_id,
    grant_id::text as grant_id,
    credit_id::text as credit_id,
    is_paid::boolean as is_paid,
    account::text as account,
    booked_at::timestamptz as booked_at,
    entry_amount::numeric(20, 3) as amount,
    sum(entry_amount) over (
        partition by contract_id, grant_id, account
        order by booked_at
        range between unbounded preceding and current row
    )::numeric(20, 3) as balance,
    currency::text as currency,
    invoice_id::text as invoice_id,
    is_final::boolean as is_final
from entries
