with

wallets as (

    select
        contract_id,
        customer_id,
        plan_id,
        wallet_id,
        today,
        automatic_below,
        automatic_amount,
        held_amount,
        owed_amount
    from {{ ref('int_wallet_balances') }}

),

top_ups as (

    select
        contract_id,
        wallet_id,
        grant_id
    from {{ ref('int_top_ups') }}
    where is_final and split_part(grant_id, ':', 2) = 'automatic'

),

last_numbers as (

    select
        contract_id,
        wallet_id,
        max(split_part(grant_id, ':', 3)::integer) as number
    from top_ups
    group by contract_id, wallet_id

),

short as (

    select
        wallets.*,
        wallets.wallet_id || ':automatic:' || coalesce(last_numbers.number, 0) + 1 as grant_id,
        wallets.automatic_below - wallets.held_amount + wallets.owed_amount as missing
    from wallets
    left join last_numbers
        on
            wallets.contract_id = last_numbers.contract_id
            and wallets.wallet_id = last_numbers.wallet_id

)

-- As often as needed: what is missing, up to the next whole number of times.
select
    (contract_id || ':top_up:' || grant_id)::text as invoice_key,
    contract_id::text as contract_id,
    customer_id::text as customer_id,
    plan_id::text as plan_id,
    wallet_id::text as wallet_id,
    grant_id::text as grant_id,
    today::date as issued_on,
    (
        missing - mod(missing, automatic_amount)
        + case when mod(missing, automatic_amount) > 0 then automatic_amount else 0 end
    )::numeric(20, 3) as amount,
    jsonb_build_object(
        'below', automatic_below,
        'amount', automatic_amount,
        'held', held_amount,
        'owed', owed_amount
    ) as explanation
from short
where missing > 0
