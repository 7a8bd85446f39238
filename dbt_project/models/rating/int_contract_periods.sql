with

parameters as (

    select catalog_version
    from {{ source('ops', 'parameters') }}

),

calendar as (

    select
        catalog_version,
        contract_id,
        customer_id,
        billed_customer_id,
        plan_id,
        currency,
        minor_units,
        timezone,
        period_number,
        period_start,
        period_end,
        period_start_at,
        period_end_at,
        full_period_days,
        next_period_start,
        next_period_end,
        next_full_period_days,
        minimum_amount
    from {{ ref('int_contract_calendar') }}

),

invoices as (

    select
        contract_id,
        catalog_version,
        period_start,
        period_end,
        period_start_at,
        period_end_at,
        is_void
    from {{ ref('int_closed_invoices') }}
    where kind = 'period'

),

closed_periods as (

    select *
    from invoices
    where not is_void

),

-- A period whose invoice was voided is open again, as the next revision of that invoice.
revisions as (

    select
        contract_id,
        period_start,
        1 + count(*) as revision
    from invoices
    where is_void
    group by contract_id, period_start

),

calendar_today as (

    select calendar.*
    from calendar
    inner join parameters
        on calendar.catalog_version = parameters.catalog_version

),

-- What is open begins as the catalog says, or behind what is closed,
starts as (

    select
        contract_id,
        period_start as open_from
    from calendar_today

    union distinct

    select
        contract_id,
        period_end as open_from
    from closed_periods

),

-- and ends where the next closed period begins, unless that one has begun.
gaps as (

    select
        starts.contract_id,
        starts.open_from,
        min(closed_periods.period_start) as open_until
    from starts
    left join closed_periods
        on
            starts.contract_id = closed_periods.contract_id
            and starts.open_from < closed_periods.period_end
    group by starts.contract_id, starts.open_from
    having coalesce(starts.open_from < min(closed_periods.period_start), true)

),

-- What was invoiced stays invoiced: if the catalog now draws the periods otherwise, the open ones
-- are what the closed ones leave of them, to the instant, should the time zone have changed.
open_periods as (

    select
        calendar_today.*,
        gaps.open_from as rated_from,
        least(calendar_today.period_end, gaps.open_until) as rated_until,
        coalesce(before.period_end_at, calendar_today.period_start_at) as rated_from_at,
        coalesce(behind.period_start_at, calendar_today.period_end_at) as rated_until_at,
        false as is_closed
    from calendar_today
    inner join gaps
        on
            calendar_today.contract_id = gaps.contract_id
            and calendar_today.period_start <= gaps.open_from
            and calendar_today.period_end > gaps.open_from
    left join closed_periods as before
        on
            gaps.contract_id = before.contract_id
            and gaps.open_from = before.period_end
    left join closed_periods as behind
        on
            gaps.contract_id = behind.contract_id
            and least(calendar_today.period_end, gaps.open_until) = behind.period_start

),

-- A closed period keeps the frame in which its own version has drawn it.
rated_again as (

    select
        calendar.*,
        closed_periods.period_start as rated_from,
        closed_periods.period_end as rated_until,
        closed_periods.period_start_at as rated_from_at,
        closed_periods.period_end_at as rated_until_at,
        true as is_closed
    from closed_periods
    inner join calendar
        on
            closed_periods.contract_id = calendar.contract_id
            and closed_periods.catalog_version = calendar.catalog_version
            and closed_periods.period_start >= calendar.period_start
            and closed_periods.period_start < calendar.period_end

),

periods as (

    select *
    from open_periods

    union all

    select *
    from rated_again

),

-- Voided invoices of the period came before the one at hand, closed or open.
revised_periods as (

    select
        periods.*,
        coalesce(revisions.revision, 1) as revision
    from periods
    left join revisions
        on
            periods.contract_id = revisions.contract_id
            and periods.rated_from = revisions.period_start

)

select
    (
        contract_id || ':' || rated_from
        || case
            when revision > 1 then ':' || revision
            else ''
        end
    )::text as invoice_id,
    revision::integer as revision,
    catalog_version::text as catalog_version,
    contract_id::text as contract_id,
    customer_id::text as customer_id,
    billed_customer_id::text as billed_customer_id,
    plan_id::text as plan_id,
    currency::text as currency,
    minor_units::integer as minor_units,
    timezone::text as timezone,
    period_number::integer as period_number,
    rated_from::date as period_start,
    rated_until::date as period_end,
    rated_from_at::timestamptz as period_start_at,
    rated_until_at::timestamptz as period_end_at,
    (rated_until - rated_from)::integer as period_days,
    full_period_days::integer as full_period_days,
    next_period_start::date as next_period_start,
    next_period_end::date as next_period_end,
    next_full_period_days::integer as next_full_period_days,
    minimum_amount::numeric(20, 3) as minimum_amount,
    is_closed::boolean as is_closed
from revised_periods
