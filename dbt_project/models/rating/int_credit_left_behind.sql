with

parameters as (

    select
        as_of,
        catalog_version
    from {{ source('ops', 'parameters') }}

),

contracts as (

    select
        catalog_version,
        contract_id,
        customer_id
    from {{ source('catalog', 'contracts') }}

),

contract_ends as (

    select
        contract_id,
        ended_on
    from {{ ref('int_contract_ends') }}

),

customers as (

    select
        catalog_version,
        customer_id,
        timezone
    from {{ source('catalog', 'customers') }}

),

transactions as (

    select
        contract_id,
        customer_id,
        currency,
        credit_id,
        kind,
        from_account,
        to_account,
        amount,
        booked_at
    from {{ ref('int_credit_transactions') }}
    where is_paid

),

ends as (

    select
        contract_ends.contract_id,
        contract_ends.ended_on,
        {{ start_of_day('contract_ends.ended_on', 'customers.timezone') }} as ended_at
    from contract_ends
    inner join contracts
        on contract_ends.contract_id = contracts.contract_id
    inner join parameters
        on contracts.catalog_version = parameters.catalog_version
    inner join customers
        on
            contracts.catalog_version = customers.catalog_version
            and contracts.customer_id = customers.customer_id
    where {{ start_of_day('contract_ends.ended_on', 'customers.timezone') }} <= parameters.as_of

),

-- What has expired since the contract's end could not be used until then.
moved as (

    select
        transactions.contract_id,
        transactions.customer_id,
        transactions.currency,
        transactions.credit_id,
        ends.ended_on,
        case
            when transactions.to_account = 'available' then transactions.amount
            when transactions.from_account = 'available' then -transactions.amount
        end as amount
    from transactions
    inner join ends
        on transactions.contract_id = ends.contract_id
    where transactions.kind <> 'expiry' or transactions.booked_at <= ends.ended_at

),

left_behind as (

    select
        contract_id,
        customer_id,
        currency,
        credit_id,
        ended_on,
        sum(amount) as amount
    from moved
    group by contract_id, customer_id, currency, credit_id, ended_on

)

select
    contract_id::text as contract_id,
    customer_id::text as customer_id,
    ended_on::date as ended_on,
    credit_id::text as credit_id,
    currency::text as currency,
    amount::numeric(20, 3) as amount
from left_behind
where amount > 0
