with

boundaries as (

    select
        tenant_id,
        dimension_id,
        boundary_at
    from {{ ref('int_usage_boundaries') }}

),

parameters as (

    select journal_watermark
    from {{ source('ops', 'parameters') }}

),

monthly as (

    select
        tenant_id,
        dimension_id,
        usage_month::timestamp at time zone 'UTC' as started_at,
        {{ usage_values() }}
    from {{ ref('fct_usage_monthly') }}

),

daily as (

    select
        tenant_id,
        dimension_id,
        usage_date::timestamp at time zone 'UTC' as started_at,
        {{ utc_month("usage_date::timestamp at time zone 'UTC'") }} as month_start_at,
        {{ usage_values() }}
    from {{ ref('fct_usage_daily') }}

),

hourly as (

    select
        tenant_id,
        dimension_id,
        usage_hour as started_at,
        {{ utc_day('usage_hour') }} as day_start_at,
        {{ usage_values() }}
    from {{ ref('fct_usage_hourly') }}

),

split_months as (

    select distinct
        tenant_id,
        dimension_id,
        {{ utc_month('boundary_at') }} as started_at
    from boundaries
    where boundary_at <> {{ utc_month('boundary_at') }}

),

split_days as (

    select distinct
        tenant_id,
        dimension_id,
        {{ utc_day('boundary_at') }} as started_at
    from boundaries
    where boundary_at <> {{ utc_day('boundary_at') }}

),

split_hours as (

    select distinct
        tenant_id,
        dimension_id,
        {{ utc_hour('boundary_at') }} as started_at
    from boundaries
    where boundary_at <> {{ utc_hour('boundary_at') }}

),

whole_months as (

    select
        monthly.tenant_id,
        monthly.dimension_id,
        monthly.started_at,
        {{ usage_values('monthly') }}
    from monthly
    left join split_months
        on
            monthly.tenant_id = split_months.tenant_id
            and monthly.dimension_id = split_months.dimension_id
            and monthly.started_at = split_months.started_at
    where split_months.started_at is null

),

whole_days as (

    select
        daily.tenant_id,
        daily.dimension_id,
        daily.started_at,
        {{ usage_values('daily') }}
    from daily
    inner join split_months
        on
            daily.tenant_id = split_months.tenant_id
            and daily.dimension_id = split_months.dimension_id
            and daily.month_start_at = split_months.started_at
    left join split_days
        on
            daily.tenant_id = split_days.tenant_id
            and daily.dimension_id = split_days.dimension_id
            and daily.started_at = split_days.started_at
    where split_days.started_at is null

),

whole_hours as (

    select
        hourly.tenant_id,
        hourly.dimension_id,
        hourly.started_at,
        {{ usage_values('hourly') }}
    from hourly
    inner join split_days
        on
            hourly.tenant_id = split_days.tenant_id
            and hourly.dimension_id = split_days.dimension_id
            and hourly.day_start_at = split_days.started_at
    left join split_hours
        on
            hourly.tenant_id = split_hours.tenant_id
            and hourly.dimension_id = split_hours.dimension_id
            and hourly.started_at = split_hours.started_at
    where split_hours.started_at is null

),

split_instants as (

    select distinct started_at
    from split_hours

),

-- Where a boundary lies inside a UTC hour (Kolkata, Kathmandu), the records are taken from the
-- journal, each by its own instant. Of the journal, these hours are read and nothing else.
split_entries as (

    select
        entries.record_key,
        entries.is_reversal,
        entries.tenant_id,
        entries.dimension_id,
        entries.occurred_at,
        entries.value,
        entries.sign
    from split_instants
    {{
        look_through(
            ref('jnl_usage_entries'),
            'entries',
            'occurred_at',
            'split_instants.started_at',
            "split_instants.started_at + interval '1 hour'"
        )
    }}
    inner join parameters
        on entries.build_number <= parameters.journal_watermark
    inner join split_hours
        on
            entries.tenant_id = split_hours.tenant_id
            and entries.dimension_id = split_hours.dimension_id
            and split_instants.started_at = split_hours.started_at

),

standing_entries as (

    select
        split_entries.record_key,
        split_entries.tenant_id,
        split_entries.dimension_id,
        split_entries.occurred_at,
        split_entries.value,
        split_entries.sign,
        split_entries.sign = 1 and reversals.record_key is null as is_standing
    from split_entries
    left join split_entries as reversals
        on
            split_entries.record_key = reversals.record_key
            and reversals.is_reversal

),

instants as (

    select
        tenant_id,
        dimension_id,
        occurred_at as started_at,
        {{ usage_values_of_entries() }}
    from standing_entries
    group by tenant_id, dimension_id, occurred_at

),

cells as (

    select *
    from whole_months

    union all

    select *
    from whole_days

    union all

    select *
    from whole_hours

    union all

    select *
    from instants

)

select
    tenant_id::text as tenant_id,
    dimension_id::text as dimension_id,
    started_at::timestamptz as started_at,
    {{ typed_usage_values() }}
from cells
