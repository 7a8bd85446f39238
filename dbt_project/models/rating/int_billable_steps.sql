with

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        catalog_version,
        dimension_id,
        price_id,
        included_quantity
    from {{ ref('int_charge_parts') }}
    where dimension_id is not null

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

charge_quantities as (

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        quantity,
        quantity_beyond,
        billable_quantity
    from {{ ref('int_charge_quantities') }}

),

trial_units as (

    select
        invoice_id,
        charge_id,
        part_number,
        allowance,
        used_before
    from {{ ref('int_trial_units') }}

),

priced_quantities as (

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        quantity_until - quantity_before as priced_quantity
    from {{ ref('int_priced_quantities') }}

),

seat_levels as (

    select
        invoice_id,
        charge_id,
        part_number,
        dimension_id,
        included_quantity,
        level_start,
        seats,
        billable_seats
    from {{ ref('int_seat_levels') }}

),

counted as (

    select
        charge_quantities.invoice_id,
        charge_quantities.charge_id,
        charge_quantities.part_number,
        parts.dimension_id,
        parts.included_quantity,
        charge_quantities.pricing_group,
        charge_quantities.quantity,
        charge_quantities.quantity_beyond,
        charge_quantities.billable_quantity,
        priced_quantities.priced_quantity,
        prices.model,
        prices.package_size,
        prices.package_rounding
    from charge_quantities
    inner join parts
        on
            charge_quantities.invoice_id = parts.invoice_id
            and charge_quantities.charge_id = parts.charge_id
            and charge_quantities.part_number = parts.part_number
    inner join prices
        on
            parts.catalog_version = prices.catalog_version
            and parts.price_id = prices.price_id
    inner join priced_quantities
        on
            charge_quantities.invoice_id = priced_quantities.invoice_id
            and charge_quantities.charge_id = priced_quantities.charge_id
            and charge_quantities.part_number = priced_quantities.part_number
            and charge_quantities.pricing_group = priced_quantities.pricing_group
    where prices.model <> 'seat'

    union all

    -- Of seats, each stretch of days with as many of them is counted for itself.
    select
        seat_levels.invoice_id,
        seat_levels.charge_id,
        seat_levels.part_number,
        seat_levels.dimension_id,
        seat_levels.included_quantity,
        jsonb_build_object('since', seat_levels.level_start) as pricing_group,
        seat_levels.seats as quantity,
        seat_levels.billable_seats as quantity_beyond,
        seat_levels.billable_seats as billable_quantity,
        seat_levels.billable_seats as priced_quantity,
        'seat' as model,
        null::numeric as package_size,
        null as package_rounding
    from seat_levels

),

steps as (

    select
        counted.*,
        4 as stage,
        'seats' as step,
        counted.quantity as step_quantity,
        '{}'::jsonb as details
    from counted
    where counted.model = 'seat'

    union all

    select
        counted.*,
        5 as stage,
        'included' as step,
        counted.quantity_beyond - counted.quantity as step_quantity,
        jsonb_build_object('included', trim_scale(counted.included_quantity)) as details
    from counted
    where counted.quantity_beyond <> counted.quantity

    union all

    -- Records that are priced one by one have no units of a trial, and so either this or the next.
    select
        counted.*,
        6 as stage,
        'trial' as step,
        counted.billable_quantity - counted.quantity_beyond as step_quantity,
        jsonb_build_object(
            'allowance', trim_scale(trial_units.allowance),
            'used_before', trim_scale(trial_units.used_before)
        ) as details
    from counted
    inner join trial_units
        on
            counted.invoice_id = trial_units.invoice_id
            and counted.charge_id = trial_units.charge_id
            and counted.part_number = trial_units.part_number
    where counted.billable_quantity <> counted.quantity_beyond

    union all

    -- Of records that are priced one by one, what is free of them.
    select
        counted.*,
        6 as stage,
        'free' as step,
        counted.priced_quantity - counted.billable_quantity as step_quantity,
        '{}'::jsonb as details
    from counted
    where
        counted.model = 'percentage'
        and counted.priced_quantity <> counted.billable_quantity

    union all

    select
        counted.*,
        7 as stage,
        'packages' as step,
        counted.priced_quantity as step_quantity,
        jsonb_build_object(
            'size', trim_scale(counted.package_size),
            'rounding', counted.package_rounding
        ) as details
    from counted
    where counted.model = 'package'

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    stage::integer as stage,
    step::text as step,
    dimension_id::text as dimension_id,
    pricing_group::jsonb as pricing_group,
    step_quantity::numeric(38, 9) as quantity,
    details::jsonb as details
from steps
