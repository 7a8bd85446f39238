with

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        catalog_version,
        price_id,
        part_days,
        period_days
    from {{ ref('int_charge_parts') }}

),

quantities as (

    select
        invoice_id,
        charge_id,
        part_number,
        is_level,
        billable_quantity
    from {{ ref('int_charge_quantities') }}

),

prices as (

    select
        catalog_version,
        price_id,
        model,
        package_size,
        package_rounding
    from {{ source('catalog', 'prices') }}

),

tiers as (

    select
        catalog_version,
        price_id,
        tier_number,
        from_quantity,
        up_to,
        unit_amount,
        flat_amount
    from {{ source('catalog', 'price_tiers') }}

),

-- What is priced: units, or packages of which a started one counts as the price says.
priced as (

    select
        parts.invoice_id,
        parts.charge_id,
        parts.part_number,
        parts.catalog_version,
        parts.price_id,
        parts.part_days,
        parts.period_days,
        quantities.is_level,
        prices.model,
        case
            when prices.model = 'package'
                then {{ round_by_mode(
                    divide('quantities.billable_quantity', 'prices.package_size', 18),
                    '0',
                    'prices.package_rounding'
                ) }}
            else quantities.billable_quantity
        end as priced_quantity
    from parts
    inner join quantities
        on
            parts.invoice_id = quantities.invoice_id
            and parts.charge_id = quantities.charge_id
            and parts.part_number = quantities.part_number
    inner join prices
        on
            parts.catalog_version = prices.catalog_version
            and parts.price_id = prices.price_id

),

-- The first tier is always reached, so its flat amount is due at zero usage, and a quantity that
-- corrections have made negative is taken back at its price.
reached as (

    select
        priced.invoice_id,
        priced.charge_id,
        priced.part_number,
        priced.model,
        priced.priced_quantity,
        priced.part_days,
        priced.period_days,
        priced.is_level,
        tiers.tier_number,
        tiers.from_quantity,
        tiers.up_to,
        tiers.unit_amount,
        tiers.flat_amount,
        case
            when priced.model = 'volume' then priced.priced_quantity
            when tiers.tier_number = 1
                then least(priced.priced_quantity, coalesce(tiers.up_to, priced.priced_quantity))
            else
                least(priced.priced_quantity, coalesce(tiers.up_to, priced.priced_quantity))
                - tiers.from_quantity
        end as slice_quantity
    from priced
    inner join tiers
        on
            priced.catalog_version = tiers.catalog_version
            and priced.price_id = tiers.price_id
            and (
                tiers.tier_number = 1
                or priced.priced_quantity > tiers.from_quantity
            )
    where
        priced.model <> 'volume'
        or tiers.up_to is null
        or priced.priced_quantity <= tiers.up_to

),

-- Where a change of price splits the period, a level and a flat amount are due for the days of the
-- part; what adds up has its own quantity in each part.
amounts as (

    select
        reached.*,
        {{ divide('reached.flat_amount * reached.part_days', 'reached.period_days', 12) }}
        + case
            when reached.is_level
                then {{ divide(
                    'reached.slice_quantity * reached.unit_amount * reached.part_days',
                    'reached.period_days',
                    12
                ) }}
            else round(reached.slice_quantity * reached.unit_amount, 12)
        end as exact_amount
    from reached

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    tier_number::integer as tier_number,
    model::text as model,
    from_quantity::numeric(38, 9) as from_quantity,
    up_to::numeric(38, 9) as up_to,
    slice_quantity::numeric(38, 9) as slice_quantity,
    unit_amount::numeric(38, 12) as unit_amount,
    flat_amount::numeric(38, 12) as flat_amount,
    part_days::integer as part_days,
    period_days::integer as period_days,
    exact_amount::numeric(38, 12) as exact_amount
from amounts
