with

parameters as (

    select as_of
    from {{ source('ops', 'parameters') }}

),

holdings as (

    select
        contract_id,
        customer_id,
        currency,
        grant_id,
        credit_id,
        is_paid,
        is_final,
        amount,
        spent_amount,
        granted_at,
        expires_at,
        is_settled
    from {{ ref('int_credit_holdings') }}

),

movements as (

    select
        invoice_line_id,
        invoice_id,
        contract_id,
        customer_id,
        currency,
        grant_id,
        amount,
        moved_at,
        is_void,
        is_final
    from {{ ref('int_credit_movements') }}

),

-- A negative invoice carries on what is the customer's own.
dated as (

    select
        movements.*,
        coalesce(holdings.credit_id, movements.grant_id) as credit_id,
        coalesce(holdings.is_paid, true) as is_paid,
        greatest(holdings.granted_at, least(movements.moved_at, holdings.expires_at)) as booked_at
    from movements
    left join holdings
        on
            movements.contract_id = holdings.contract_id
            and movements.grant_id = holdings.grant_id

),

transactions as (

    select
        contract_id || '/grant/' || grant_id as transaction_id,
        'grant' as kind,
        contract_id,
        customer_id,
        currency,
        grant_id,
        credit_id,
        is_paid,
        amount,
        'granted' as from_account,
        'available' as to_account,
        granted_at as booked_at,
        null as invoice_id,
        is_final
    from holdings
    where amount > 0

    union all

    select
        invoice_line_id as transaction_id,
        case when amount > 0 then 'grant' else 'spending' end as kind,
        contract_id,
        customer_id,
        currency,
        grant_id,
        credit_id,
        is_paid,
        abs(amount) as amount,
        case when amount > 0 then 'granted' else 'available' end as from_account,
        case when amount > 0 then 'available' else 'spent' end as to_account,
        booked_at,
        invoice_id,
        is_final
    from dated

    union all

    select
        invoice_line_id || '/reversal' as transaction_id,
        'reversal' as kind,
        contract_id,
        customer_id,
        currency,
        grant_id,
        credit_id,
        is_paid,
        abs(amount) as amount,
        case when amount > 0 then 'available' else 'spent' end as from_account,
        case when amount > 0 then 'granted' else 'available' end as to_account,
        booked_at,
        invoice_id,
        is_final
    from dated
    where is_void

    union all

    select
        holdings.contract_id || '/expiry/' || holdings.grant_id as transaction_id,
        'expiry' as kind,
        holdings.contract_id,
        holdings.customer_id,
        holdings.currency,
        holdings.grant_id,
        holdings.credit_id,
        holdings.is_paid,
        holdings.amount - holdings.spent_amount as amount,
        'available' as from_account,
        'expired' as to_account,
        holdings.expires_at as booked_at,
        null as invoice_id,
        holdings.is_settled as is_final
    from holdings
    inner join parameters
        on holdings.expires_at <= parameters.as_of
    where holdings.amount > holdings.spent_amount

)

select
    transaction_id::text as transaction_id,
    kind::text as kind,
    contract_id::text as contract_id,
    customer_id::text as customer_id,
    currency::text as currency,
    grant_id::text as grant_id,
    credit_id::text as credit_id,
    is_paid::boolean as is_paid,
    amount::numeric(20, 3) as amount,
    from_account::text as from_account,
    to_account::text as to_account,
    booked_at::timestamptz as booked_at,
    invoice_id::text as invoice_id,
    is_final::boolean as is_final
from transactions
