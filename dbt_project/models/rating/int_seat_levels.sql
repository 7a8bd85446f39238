with

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        catalog_version,
        dimension_id,
        price_id,
        included_quantity,
        part_start,
        part_end,
        period_days,
        full_period_days
    from {{ ref('int_charge_parts') }}

),

prices as (

    select
        catalog_version,
        price_id,
        is_prorated,
        has_removal_credit
    from {{ source('catalog', 'prices') }}
    where model = 'seat'

),

advance_prices as (

    select
        invoice_id,
        charge_id,
        catalog_version,
        dimension_id,
        price_id,
        is_prorated,
        included_quantity,
        next_period_start,
        next_period_end,
        next_full_period_days
    from {{ ref('int_advance_prices') }}
    where model = 'seat'

),

changes as (

    select
        invoice_id,
        charge_id,
        changed_on,
        seats,
        highest_seats
    from {{ ref('int_seat_changes') }}

),

stretches as (

    select
        invoice_id,
        charge_id,
        changed_on,
        seats,
        highest_seats,
        lead(changed_on) over changes_of_charge as changed_again_on,
        last_value(seats) over (
            changes_of_charge rows between unbounded preceding and unbounded following
        ) as last_seats,
        max(highest_seats) over (partition by invoice_id, charge_id) as most_seats
    from changes
    window changes_of_charge as (
        partition by invoice_id, charge_id
        order by changed_on
    )

),

seat_parts as (

    select
        parts.invoice_id,
        parts.charge_id,
        parts.part_number,
        parts.catalog_version,
        parts.dimension_id,
        parts.price_id,
        parts.included_quantity,
        parts.part_start,
        parts.part_end,
        parts.period_days,
        parts.full_period_days,
        prices.is_prorated,
        prices.has_removal_credit
    from parts
    inner join prices
        on
            parts.catalog_version = prices.catalog_version
            and parts.price_id = prices.price_id

),

-- By day, a stretch of days with as many seats is due for these days of a full period.
prorated as (

    select
        seat_parts.invoice_id,
        seat_parts.charge_id,
        seat_parts.part_number,
        seat_parts.catalog_version,
        seat_parts.dimension_id,
        seat_parts.price_id,
        seat_parts.included_quantity,
        greatest(seat_parts.part_start, stretches.changed_on) as level_start,
        least(
            seat_parts.part_end, coalesce(stretches.changed_again_on, seat_parts.part_end)
        ) as level_end,
        case
            when seat_parts.has_removal_credit then stretches.seats
            else stretches.highest_seats
        end as seats,
        seat_parts.full_period_days as period_days
    from seat_parts
    inner join stretches
        on
            seat_parts.invoice_id = stretches.invoice_id
            and seat_parts.charge_id = stretches.charge_id
            and seat_parts.part_end > stretches.changed_on
            and (
                stretches.changed_again_on is null
                or seat_parts.part_start < stretches.changed_again_on
            )
    where seat_parts.is_prorated

),

-- Without proration the whole period is due: for the most seats it had, or for those it ends with.
whole as (

    select
        seat_parts.invoice_id,
        seat_parts.charge_id,
        seat_parts.part_number,
        seat_parts.catalog_version,
        seat_parts.dimension_id,
        seat_parts.price_id,
        seat_parts.included_quantity,
        seat_parts.part_start as level_start,
        seat_parts.part_end as level_end,
        case
            when seat_parts.has_removal_credit then stretches.last_seats
            else stretches.most_seats
        end as seats,
        seat_parts.period_days
    from seat_parts
    inner join stretches
        on
            seat_parts.invoice_id = stretches.invoice_id
            and seat_parts.charge_id = stretches.charge_id
            and stretches.changed_again_on is null
    where not seat_parts.is_prorated

),

-- In advance (part 0), the seats that are left when the period ends.
in_advance as (

    select
        advance_prices.invoice_id,
        advance_prices.charge_id,
        0 as part_number,
        advance_prices.catalog_version,
        advance_prices.dimension_id,
        advance_prices.price_id,
        advance_prices.included_quantity,
        advance_prices.next_period_start as level_start,
        advance_prices.next_period_end as level_end,
        stretches.last_seats as seats,
        case
            when advance_prices.is_prorated then advance_prices.next_full_period_days
            else advance_prices.next_period_end - advance_prices.next_period_start
        end as period_days
    from advance_prices
    inner join stretches
        on
            advance_prices.invoice_id = stretches.invoice_id
            and advance_prices.charge_id = stretches.charge_id
            and stretches.changed_again_on is null

),

levels as (

    select *
    from prorated

    union all

    select *
    from whole

    union all

    select *
    from in_advance

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    catalog_version::text as catalog_version,
    dimension_id::text as dimension_id,
    price_id::text as price_id,
    level_start::date as level_start,
    level_end::date as level_end,
    (level_end - level_start)::integer as level_days,
    period_days::integer as period_days,
    included_quantity::numeric(38, 9) as included_quantity,
    seats::numeric(38, 9) as seats,
    greatest(seats - included_quantity, 0)::numeric(38, 9) as billable_seats
from levels
