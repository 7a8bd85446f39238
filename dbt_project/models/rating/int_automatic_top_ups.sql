with

wallets as (

    select
        contract_id,
        customer_id,
        plan_id,
        wallet_id,
        today,
        period_start_at,
        automatic_below,
        automatic_amount,
        held_amount,
        owed_amount
    from {{ ref('int_wallet_balances') }}

),

periods as (

    select
        invoice_id,
        kind,
        contract_id,
        period_end_at
    from {{ ref('int_contract_invoices') }}
    where not is_closed

),

subtotals as (

    select
        invoice_id,
        amount
    from {{ ref('int_subtotals') }}

),

top_ups as (

    select
        contract_id,
        wallet_id,
        grant_id
    from {{ ref('int_top_ups') }}
    where is_final and split_part(grant_id, ':', 2) = 'automatic'

),

voided as (

    select
        closed_invoices.invoice_key,
        max(voided_invoices.voided_at) as voided_at
    from {{ ref('int_closed_invoices') }} as closed_invoices
    inner join {{ source('billing', 'voided_invoices') }} as voided_invoices
        on closed_invoices.invoice_id = voided_invoices.invoice_id
    where closed_invoices.is_void
    group by closed_invoices.invoice_key

),

last_numbers as (

    select
        contract_id,
        wallet_id,
        max(split_part(grant_id, ':', 3)::integer) as number
    from top_ups
    group by contract_id, wallet_id

),

negative_periods as (

    select
        periods.contract_id,
        periods.kind,
        periods.period_end_at
    from periods
    inner join subtotals
        on periods.invoice_id = subtotals.invoice_id
    group by periods.contract_id, periods.invoice_id, periods.kind, periods.period_end_at
    having sum(subtotals.amount) < 0

),

-- What a draft before the running period carries on pays before the wallet, once it is closed.
waiting as (

    select distinct wallets.contract_id
    from wallets
    inner join negative_periods
        on
            wallets.contract_id = negative_periods.contract_id
            and (
                wallets.period_start_at >= negative_periods.period_end_at
                or negative_periods.kind = 'opening'
            )

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

-- As often as needed: what is missing, up to the next whole number of times. What was voided in the
-- running period is not asked for again in it.
select
    (short.contract_id || ':top_up:' || short.grant_id)::text as invoice_key,
    short.contract_id::text as contract_id,
    short.customer_id::text as customer_id,
    short.plan_id::text as plan_id,
    short.wallet_id::text as wallet_id,
    short.grant_id::text as grant_id,
    short.today::date as issued_on,
    (
        short.missing - mod(short.missing, short.automatic_amount)
        + case
            when mod(short.missing, short.automatic_amount) > 0 then short.automatic_amount
            else 0
        end
    )::numeric(20, 3) as amount,
    jsonb_build_object(
        'below', short.automatic_below,
        'amount', short.automatic_amount,
        'held', short.held_amount,
        'owed', short.owed_amount
    ) as explanation
from short
left join voided
    on voided.invoice_key = short.contract_id || ':top_up:' || short.grant_id
left join waiting
    on short.contract_id = waiting.contract_id
where
    short.missing > 0
    and waiting.contract_id is null
    and coalesce(voided.voided_at < short.period_start_at, true)
