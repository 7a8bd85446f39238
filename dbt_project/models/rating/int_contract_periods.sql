with

parameters as (

    select
        catalog_version,
        invoices_before,
        late_usage
    from {{ source('ops', 'parameters') }}

),

calendar as (

    select
        catalog_version,
        contract_id,
        customer_id,
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
        invoice_sequence,
        period_start,
        period_end,
        period_start_at,
        period_end_at
    from {{ source('billing', 'closed_periods') }}

),

closed_periods as (

    select
        invoices.contract_id,
        invoices.catalog_version,
        invoices.period_start,
        invoices.period_end,
        invoices.period_start_at,
        invoices.period_end_at
    from invoices
    inner join parameters
        on invoices.invoice_sequence < parameters.invoices_before

),

closed_until as (

    select
        contract_id,
        max(period_end) as closed_until,
        max(period_end_at) as closed_until_at
    from closed_periods
    group by contract_id

),

-- What was invoiced stays invoiced: if the catalog now draws the periods otherwise, the open ones
-- begin where the closed ones end, to the instant, should the time zone have changed.
open_periods as (

    select
        calendar.*,
        greatest(calendar.period_start, closed_until.closed_until) as rated_from,
        greatest(calendar.period_start_at, closed_until.closed_until_at) as rated_from_at,
        calendar.period_end_at as rated_until_at,
        false as is_closed
    from calendar
    inner join parameters
        on calendar.catalog_version = parameters.catalog_version
    left join closed_until
        on calendar.contract_id = closed_until.contract_id
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

)

select
    (contract_id || ':' || rated_from)::text as invoice_id,
    catalog_version::text as catalog_version,
    contract_id::text as contract_id,
    customer_id::text as customer_id,
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
from periods
