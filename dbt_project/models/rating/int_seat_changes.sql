with

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        catalog_version,
        contract_id,
        dimension_id,
        price_id,
        timezone,
        part_start
    from {{ ref('int_charge_parts') }}

),

prices as (

    select
        catalog_version,
        price_id
    from {{ source('catalog', 'prices') }}
    where model = 'seat'

),

advance_prices as (

    select
        invoice_id,
        charge_id
    from {{ ref('int_advance_prices') }}
    where model = 'seat'

),

openings as (

    select
        invoice_id,
        contract_id,
        period_start
    from {{ ref('int_opening_invoices') }}

),

dimensions as (

    select
        catalog_version,
        dimension_id,
        carry_over,
        convert_multiply,
        convert_divide,
        rounding_decimals,
        rounding_mode
    from {{ source('catalog', 'dimensions') }}

),

spans as (

    select
        tenant_id,
        dimension_id,
        usage_filter,
        span_start_at,
        span_end_at,
        invoice_id,
        charge_id,
        part_number
    from {{ ref('int_metered_spans') }}
    where status = 'rated'

),

cells as (

    select
        tenant_id,
        dimension_id,
        usage_group,
        started_at,
        quantity_last,
        last_recorded_at
    from {{ ref('int_usage_cells') }}
    where last_recorded_at is not null

),

-- Charges with a price of seats in some of their parts, or in advance for the next period: seats
-- are counted through all of them.
seat_charges as (

    select
        parts.invoice_id,
        parts.charge_id
    from parts
    inner join prices
        on
            parts.catalog_version = prices.catalog_version
            and parts.price_id = prices.price_id

    union distinct

    select
        invoice_id,
        charge_id
    from advance_prices

),

seat_parts as (

    select
        parts.invoice_id,
        parts.charge_id,
        parts.part_number,
        parts.contract_id,
        parts.timezone,
        parts.part_start,
        min(parts.part_start) over (partition by parts.invoice_id, parts.charge_id) as first_day,
        dimensions.carry_over,
        dimensions.convert_multiply,
        dimensions.convert_divide,
        dimensions.rounding_decimals,
        dimensions.rounding_mode
    from parts
    inner join seat_charges
        on
            parts.invoice_id = seat_charges.invoice_id
            and parts.charge_id = seat_charges.charge_id
    inner join dimensions
        on
            parts.catalog_version = dimensions.catalog_version
            and parts.dimension_id = dimensions.dimension_id

),

-- What a tenant has on a day is what its last record until the end of that day says. What it had
-- before the period is what it has on its first day, if it says nothing else.
tenant_levels as (

    select
        seat_parts.invoice_id,
        seat_parts.charge_id,
        spans.tenant_id,
        greatest(
            {{ local_date('cells.started_at', 'seat_parts.timezone') }},
            seat_parts.first_day
        ) as changed_on,
        {{ latest_by('cells.quantity_last', 'cells.last_recorded_at', 'true') }} as seats
    from seat_parts
    inner join spans
        on
            seat_parts.invoice_id = spans.invoice_id
            and seat_parts.charge_id = spans.charge_id
            and seat_parts.part_number = spans.part_number
    inner join cells
        on
            spans.tenant_id = cells.tenant_id
            and spans.dimension_id = cells.dimension_id
            and spans.span_end_at > cells.started_at
            and (
                spans.span_start_at <= cells.started_at
                or (seat_parts.carry_over and seat_parts.part_start = seat_parts.first_day)
            )
            and {{ meets_filter('cells.usage_group', 'spans.usage_filter') }}
    group by
        seat_parts.invoice_id,
        seat_parts.charge_id,
        spans.tenant_id,
        changed_on

),

tenant_changes as (

    select
        invoice_id,
        charge_id,
        changed_on,
        seats - lag(seats, 1, 0::numeric) over (
            partition by invoice_id, charge_id, tenant_id
            order by changed_on
        ) as added_seats
    from tenant_levels

    union all

    -- A period in which nobody has a seat is one of no seats.
    select
        invoice_id,
        charge_id,
        first_day as changed_on,
        0 as added_seats
    from seat_parts
    where part_start = first_day

),

-- A seat that moves from one tenant of a customer to another is the same seat.
day_changes as (

    select
        invoice_id,
        charge_id,
        changed_on,
        sum(added_seats) as added_seats,
        sum(sum(added_seats)) over (
            partition by invoice_id, charge_id
            order by changed_on
        ) as seats
    from tenant_changes
    group by invoice_id, charge_id, changed_on

),

changes as (

    select
        day_changes.invoice_id,
        seat_parts.contract_id,
        day_changes.charge_id,
        day_changes.changed_on,
        {{ round_by_mode(
            divide(
                'day_changes.seats * seat_parts.convert_multiply', 'seat_parts.convert_divide', 18
            ),
            'seat_parts.rounding_decimals',
            'seat_parts.rounding_mode'
        ) }} as seats
    from day_changes
    inner join seat_parts
        on
            day_changes.invoice_id = seat_parts.invoice_id
            and day_changes.charge_id = seat_parts.charge_id
            and seat_parts.part_start = seat_parts.first_day
    where
        day_changes.added_seats <> 0
        or day_changes.changed_on = seat_parts.first_day

),

-- What an opening invoice bills in advance are the seats of the first period's first day.
all_changes as (

    select
        invoice_id,
        charge_id,
        changed_on,
        seats
    from changes

    union all

    select
        openings.invoice_id,
        changes.charge_id,
        changes.changed_on,
        changes.seats
    from openings
    inner join changes
        on
            openings.contract_id = changes.contract_id
            and openings.period_start = changes.changed_on

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    changed_on::date as changed_on,
    seats::numeric(38, 9) as seats,
    (
        max(seats) over (
            partition by invoice_id, charge_id
            order by changed_on
        )
    )::numeric(38, 9) as highest_seats
from all_changes
