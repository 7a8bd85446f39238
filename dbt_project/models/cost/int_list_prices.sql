with

charges as (

    select
        plan_id,
        charge_id,
        dimension_id,
        price_id
    from {{ source('catalog', 'charges') }}
    where
        {{ is_current_version() }}
        and dimension_id is not null

),

plans as (

    select
        plan_id,
        currency
    from {{ source('catalog', 'plans') }}
    where {{ is_current_version() }}

),

prices as (

    select
        price_id,
        package_size
    from {{ source('catalog', 'prices') }}
    where {{ is_current_version() }}

),

first_tiers as (

    select
        price_id,
        unit_amount
    from {{ source('catalog', 'price_tiers') }}
    where
        {{ is_current_version() }}
        and tier_number = 1

),

-- The last rate of a price that has some holds whatever the metadata are.
default_rates as (

    select
        price_id,
        rate
    from {{ source('catalog', 'price_rates') }}
    where
        {{ is_current_version() }}
        and match = '{}'

),

contracts as (

    select distinct
        customer_id,
        plan_id
    from {{ source('catalog', 'contracts') }}
    where {{ is_current_version() }}

),

plan_prices as (

    select
        charges.plan_id,
        charges.charge_id,
        charges.dimension_id,
        plans.currency,
        coalesce(first_tiers.unit_amount, 1) * coalesce(default_rates.rate, 1) as unit_amount,
        coalesce(prices.package_size, 1) as package_size
    from charges
    inner join plans
        on charges.plan_id = plans.plan_id
    inner join prices
        on charges.price_id = prices.price_id
    left join first_tiers
        on charges.price_id = first_tiers.price_id
    left join default_rates
        on charges.price_id = default_rates.price_id
    where
        first_tiers.price_id is not null
        or default_rates.price_id is not null

),

ranked as (

    select
        contracts.customer_id,
        plan_prices.dimension_id,
        plan_prices.plan_id,
        plan_prices.currency,
        plan_prices.unit_amount,
        plan_prices.package_size,
        row_number() over (
            partition by contracts.customer_id, plan_prices.dimension_id
            order by plan_prices.plan_id, plan_prices.charge_id
        ) as plan_rank
    from plan_prices
    inner join contracts
        on plan_prices.plan_id = contracts.plan_id

    union all

    select
        null as customer_id,
        dimension_id,
        plan_id,
        currency,
        unit_amount,
        package_size,
        row_number() over (
            partition by dimension_id
            order by plan_id, charge_id
        ) as plan_rank
    from plan_prices

)

select
    customer_id::text as customer_id,
    dimension_id::text as dimension_id,
    plan_id::text as plan_id,
    currency::text as currency,
    unit_amount::numeric(38, 12) as unit_amount,
    package_size::numeric(38, 9) as package_size
from ranked
where plan_rank = 1
