with

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        catalog_version,
        price_id,
        tiers_span,
        part_days,
        period_days
    from {{ ref('int_charge_parts') }}

),

quantities as (

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        is_level,
        record_count,
        billable_quantity,
        unit_amount
    from {{ ref('int_charge_quantities') }}

),

prices as (

    select
        catalog_version,
        price_id,
        model,
        package_size,
        package_rounding,
        fixed_amount,
        free_records > 0
        or free_amount > 0
        or record_minimum is not null
        or record_maximum is not null as is_by_record
    from {{ source('catalog', 'prices') }}

),

-- Records that are priced one by one: what of them is not free, and what a record's minimum and
-- maximum add to it, or take off.
record_sums as (

    select
        invoice_id,
        charge_id,
        part_number,
        sum(charged_value) as charged_value,
        count(*) filter (where is_charged) as record_count,
        sum(exact_amount)
        - round(sum(charged_value) * unit_amount, 12)
        - count(*) filter (where is_charged) * fixed_amount as bound_amount
    from {{ ref('int_record_amounts') }}
    group by invoice_id, charge_id, part_number, unit_amount, fixed_amount

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
        parts.invoice_id,
        parts.charge_id,
        parts.part_number,
        parts.catalog_version,
        parts.price_id,
        parts.part_days,
        parts.period_days,
        quantities.pricing_group,
        quantities.is_level,
        case
            when prices.is_by_record then coalesce(record_sums.record_count, 0)
            else quantities.record_count
        end as record_count,
        case
            when prices.is_by_record then coalesce(record_sums.charged_value, 0)
            else quantities.billable_quantity
        end as priced_units,
        coalesce(record_sums.bound_amount, 0) as bound_amount,
        quantities.unit_amount,
        prices.model,
        prices.package_size,
        prices.package_rounding,
        prices.fixed_amount,
        parts.tiers_span = 'period' and not quantities.is_level as is_spanning,
        case
            when parts.tiers_span = 'period' and not quantities.is_level
                then
                    prices.model
                    || coalesce(' by ' || prices.package_size || prices.package_rounding, '')
                    || coalesce(' to ' || ladders.bounds, '')
            else parts.part_number::text
        end as span
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
    left join ladders
        on
            parts.catalog_version = ladders.catalog_version
            and parts.price_id = ladders.price_id
    left join record_sums
        on
            parts.invoice_id = record_sums.invoice_id
            and parts.charge_id = record_sums.charge_id
            and parts.part_number = record_sums.part_number

),

running as (

    select
        counted.*,
        row_number() over span_until = 1 as is_first,
        sum(counted.priced_units) over span_until - counted.priced_units as units_before,
        sum(counted.priced_units) over span_until as units_until,
        sum(counted.priced_units) over (
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
    bound_amount::numeric(38, 12) as bound_amount,
    unit_amount::numeric(38, 12) as unit_amount,
    fixed_amount::numeric(38, 12) as fixed_amount,
    part_days::integer as part_days,
    period_days::integer as period_days
from running
