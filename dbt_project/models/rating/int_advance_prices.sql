with

periods as (

    select
        invoice_id,
        kind,
        catalog_version,
        contract_id,
        plan_id,
        next_period_start,
        next_period_end,
        next_full_period_days
    from {{ ref('int_contract_invoices') }}
    where next_period_start is not null

),

charges as (

    select
        catalog_version,
        plan_id,
        charge_id,
        position,
        name,
        dimension_id,
        included_quantity,
        price_id
    from {{ source('catalog', 'charges') }}

),

overrides as (

    select
        catalog_version,
        contract_id,
        charge_id,
        valid_from,
        valid_to,
        price_id
    from {{ source('catalog', 'contract_overrides') }}

),

contract_ends as (

    select
        contract_id,
        ended_on
    from {{ ref('int_contract_ends') }}

),

prices as (

    select
        catalog_version,
        price_id,
        model,
        flat_amount,
        timing,
        is_prorated and timing <> 'once' as is_prorated
    from {{ source('catalog', 'prices') }}
    where timing in ('advance', 'once')

)

-- A fee that is due once is paid in advance where there is an opening invoice.
-- What was invoiced for days after the contract's end is not used: a fee by day ends with it. Seats
-- are settled with the period they are for, and any other fee is whole, if that period begins.
select
    periods.invoice_id::text as invoice_id,
    charges.charge_id::text as charge_id,
    periods.catalog_version::text as catalog_version,
    prices.price_id::text as price_id,
    charges.position::integer as position,
    charges.name::text as name,
    charges.dimension_id::text as dimension_id,
    prices.model::text as model,
    prices.timing::text as timing,
    prices.flat_amount::numeric(38, 12) as flat_amount,
    prices.is_prorated::boolean as is_prorated,
    charges.included_quantity::numeric(38, 9) as included_quantity,
    periods.next_period_start::date as next_period_start,
    (
        case
            when prices.model = 'flat' and prices.is_prorated
                then least(periods.next_period_end, contract_ends.ended_on)
            else periods.next_period_end
        end
    )::date as next_period_end,
    periods.next_full_period_days::integer as next_full_period_days
from periods
inner join charges
    on
        periods.catalog_version = charges.catalog_version
        and periods.plan_id = charges.plan_id
left join overrides
    on
        periods.catalog_version = overrides.catalog_version
        and periods.contract_id = overrides.contract_id
        and charges.charge_id = overrides.charge_id
        and periods.next_period_start >= overrides.valid_from
        and (overrides.valid_to is null or periods.next_period_start < overrides.valid_to)
inner join prices
    on
        periods.catalog_version = prices.catalog_version
        and coalesce(overrides.price_id, charges.price_id) = prices.price_id
left join contract_ends
    on periods.contract_id = contract_ends.contract_id
where
    (prices.timing = 'advance' or periods.kind = 'opening')
    and coalesce(periods.next_period_start < contract_ends.ended_on, true)
