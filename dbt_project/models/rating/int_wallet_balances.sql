with

parameters as (

    select
        as_of,
        catalog_version
    from {{ source('ops', 'parameters') }}

),

periods as (

    select
        invoice_id,
        kind,
        contract_id,
        customer_id,
        plan_id,
        timezone,
        period_start_at,
        period_end_at
    from {{ ref('int_contract_invoices') }}
    where not is_closed

),

wallets as (

    select
        catalog_version,
        contract_id,
        wallet_id,
        is_limited,
        automatic_below,
        automatic_amount
    from {{ source('catalog', 'wallets') }}
    where automatic_amount is not null

),

credit_charges as (

    select
        catalog_version,
        contract_id,
        credit_id,
        charge_id
    from {{ source('catalog', 'credit_charges') }}

),

balances as (

    select
        contract_id,
        credit_id,
        grant_id,
        expires_on,
        remaining
    from {{ ref('int_credit_balances') }}

),

needs as (

    select
        invoice_id,
        charge_id,
        amount
    from {{ ref('int_credit_needs') }}

),

draws as (

    select
        invoice_id,
        charge_id,
        grant_id,
        amount
    from {{ ref('int_credit_draws') }}

),

-- A contract has one period that has begun and not ended, or none.
running as (

    select
        periods.*,
        wallets.catalog_version,
        wallets.wallet_id,
        wallets.is_limited,
        wallets.automatic_below,
        wallets.automatic_amount,
        {{ local_date('parameters.as_of', 'periods.timezone') }} as today
    from periods
    inner join parameters
        on periods.period_end_at > parameters.as_of and periods.kind = 'period'
    inner join wallets
        on
            periods.contract_id = wallets.contract_id
            and parameters.catalog_version = wallets.catalog_version

),

drawn as (

    select
        periods.contract_id,
        draws.grant_id,
        sum(draws.amount) as amount
    from draws
    inner join periods
        on draws.invoice_id = periods.invoice_id
    group by periods.contract_id, draws.grant_id

),

held as (

    select
        running.contract_id,
        sum(balances.remaining - coalesce(drawn.amount, 0)) as amount
    from running
    inner join balances
        on
            running.contract_id = balances.contract_id
            and running.wallet_id = balances.credit_id
            and coalesce(running.today < balances.expires_on, true)
    left join drawn
        on
            balances.contract_id = drawn.contract_id
            and balances.grant_id = drawn.grant_id
    group by running.contract_id

),

-- What no credit has paid, and this wallet could have.
open_needs as (

    select
        invoice_id,
        charge_id,
        amount
    from needs

    union all

    select
        invoice_id,
        charge_id,
        -amount as amount
    from draws

),

owed as (

    select
        running.contract_id,
        sum(open_needs.amount) as amount
    from running
    inner join open_needs
        on running.invoice_id = open_needs.invoice_id
    left join credit_charges
        on
            running.catalog_version = credit_charges.catalog_version
            and running.contract_id = credit_charges.contract_id
            and running.wallet_id = credit_charges.credit_id
            and open_needs.charge_id = credit_charges.charge_id
    where not running.is_limited or credit_charges.charge_id is not null
    group by running.contract_id

)

select
    running.contract_id::text as contract_id,
    running.customer_id::text as customer_id,
    running.plan_id::text as plan_id,
    running.wallet_id::text as wallet_id,
    running.today::date as today,
    running.period_start_at::timestamptz as period_start_at,
    running.automatic_below::numeric(20, 3) as automatic_below,
    running.automatic_amount::numeric(20, 3) as automatic_amount,
    coalesce(held.amount, 0)::numeric(20, 3) as held_amount,
    coalesce(owed.amount, 0)::numeric(20, 3) as owed_amount
from running
left join held
    on running.contract_id = held.contract_id
left join owed
    on running.contract_id = owed.contract_id
