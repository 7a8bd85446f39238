with

units as (

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        catalog_version,
        price_id,
        model,
        is_level,
        is_spanning,
        units,
        record_count,
        bound_amount,
        unit_amount,
        fixed_amount,
        part_days,
        period_days
    from {{ ref('int_priced_units') }}

),

prices as (

    select
        catalog_version,
        price_id,
        package_size,
        package_rounding
    from {{ source('catalog', 'prices') }}

),

tiers as (

    select
        catalog_version,
        price_id,
        tier_number,
        up_to
    from {{ source('catalog', 'price_tiers') }}

),

-- What two prices must share for one count of units to run through both.
ladders as (

    select
        catalog_version,
        price_id,
        string_agg(coalesce(up_to::text, 'open'), ' ' order by tier_number) as bounds
    from tiers
    group by catalog_version, price_id

),

-- Each part counts for itself, unless the tiers span the period: then the parts with equal tiers
-- count on. A level does not add up, so its parts never do.
counted as (

    select
        units.*,
        prices.package_size,
        prices.package_rounding,
        case
            when units.is_spanning
                then
                    units.model
                    || coalesce(' by ' || prices.package_size || prices.package_rounding, '')
                    || coalesce(' to ' || ladders.bounds, '')
            else units.part_number::text
        end as span
    from units
    inner join prices
        on
            units.catalog_version = prices.catalog_version
            and units.price_id = prices.price_id
    left join ladders
        on
            units.catalog_version = ladders.catalog_version
            and units.price_id = ladders.price_id

),

running as (

    select
        counted.*,
        row_number() over span_until = 1 as is_first,
        sum(counted.units) over span_until - counted.units as units_before,
        sum(counted.units) over span_until as units_until,
        sum(counted.units) over (
            partition by
                counted.invoice_id, counted.charge_id, counted.pricing_group, counted.span
        ) as units_of_span
    from counted
    window span_until as (
        partition by counted.invoice_id, counted.charge_id, counted.pricing_group, counted.span
        order by counted.part_number
        rows between unbounded preceding and current row
    )

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    pricing_group::jsonb as pricing_group,
    catalog_version::text as catalog_version,
    price_id::text as price_id,
    model::text as model,
    is_level::boolean as is_level,
    is_spanning::boolean as is_spanning,
    is_first::boolean as is_first,
    ({{ in_priced_units('units_before', 'running') }})::numeric(38, 9) as quantity_before,
    ({{ in_priced_units('units_until', 'running') }})::numeric(38, 9) as quantity_until,
    ({{ in_priced_units('units_of_span', 'running') }})::numeric(38, 9) as quantity_of_span,
    record_count::bigint as record_count,
    bound_amount::numeric(58, 20) as bound_amount,
    unit_amount::numeric(38, 12) as unit_amount,
    fixed_amount::numeric(38, 12) as fixed_amount,
    part_days::integer as part_days,
    period_days::integer as period_days
from running
