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

closed_until as (

    select
        calendar.contract_id,
        calendar.catalog_version,
        calendar.period_start,
        max(closed_periods.period_end) as closed_until,
        max(closed_periods.period_end_at) as closed_until_at
    from calendar
    inner join closed_periods
        on
            calendar.contract_id = closed_periods.contract_id
            and calendar.period_start <= closed_periods.period_end
            and calendar.period_end > closed_periods.period_start
    group by calendar.contract_id, calendar.catalog_version, calendar.period_start

),

-- What was invoiced stays invoiced: if the catalog now draws the periods otherwise, the open ones
-- begin where the closed ones end, to the instant, should the time zone have changed.
open_periods as (

    select
        calendar.*,
        greatest(calendar.period_start, closed_until.closed_until) as rated_from,
        coalesce(closed_until.closed_until_at, calendar.period_start_at) as rated_from_at,
        coalesce(following.period_start_at, calendar.period_end_at) as rated_until_at,
        false as is_closed
    from calendar
    inner join parameters
        on calendar.catalog_version = parameters.catalog_version
    left join closed_until
        on
            calendar.contract_id = closed_until.contract_id
            and calendar.catalog_version = closed_until.catalog_version
            and calendar.period_start = closed_until.period_start
    left join closed_periods as following
        on
            calendar.contract_id = following.contract_id
            and calendar.period_end = following.period_start
    where
        closed_until.closed_until is null
        or calendar.period_end > closed_until.closed_until

),

rated_again as (

    select
        calendar.*,
        closed_periods.period_start as rated_from,
        closed_periods.period_start_at as rated_from_at,
        closed_periods.period_end_at as rated_until_at,
        true as is_closed
    from closed_periods
    inner join calendar
        on
            closed_periods.contract_id = calendar.contract_id
            and closed_periods.catalog_version = calendar.catalog_version
            and closed_periods.period_end = calendar.period_end

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
    period_end::date as period_end,
    rated_from_at::timestamptz as period_start_at,
    rated_until_at::timestamptz as period_end_at,
    (period_end - rated_from)::integer as period_days,
    full_period_days::integer as full_period_days,
    next_period_start::date as next_period_start,
    next_period_end::date as next_period_end,
    next_full_period_days::integer as next_full_period_days,
    minimum_amount::numeric(20, 3) as minimum_amount,
    is_closed::boolean as is_closed
from revised_periods
