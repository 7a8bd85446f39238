with

charges as (

    select
        plan_id,
        charge_id,
        position,
        name,
        dimension_id,
        included_quantity,
        price_id
    from {{ source('catalog', 'charges') }}
    where {{ is_current_version() }}

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
        model,
        package_size,
        package_rounding,
        flat_amount,
        timing,
        is_prorated
    from {{ source('catalog', 'prices') }}
    where {{ is_current_version() }}

),

tiers as (

    select
        price_id,
        count(*) as tier_count,
        min(unit_amount) filter (where tier_number = 1) as first_unit_amount
    from {{ source('catalog', 'price_tiers') }}
    where {{ is_current_version() }}
    group by price_id

)

select
    charges.plan_id::text as plan_id,
    charges.charge_id::text as charge_id,
    charges.position::integer as position,
    charges.name::text as charge_name,
    charges.dimension_id::text as dimension_id,
    charges.included_quantity::numeric(38, 9) as included_quantity,
    prices.model::text as price_model,
    coalesce(tiers.tier_count, 0)::bigint as tier_count,
    tiers.first_unit_amount::numeric(38, 12) as first_unit_amount,
    prices.package_size::numeric(38, 9) as package_size,
    prices.package_rounding::text as package_rounding,
    prices.flat_amount::numeric(38, 12) as flat_amount,
    plans.currency::text as currency,
    prices.timing::text as timing,
    prices.is_prorated::boolean as is_prorated
from charges
inner join plans
    on charges.plan_id = plans.plan_id
inner join prices
    on charges.price_id = prices.price_id
left join tiers
    on charges.price_id = tiers.price_id
where prices.model <> 'meter'
