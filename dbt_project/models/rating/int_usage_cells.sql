with

boundaries as (

    select
        tenant_id,
        dimension_id,
        boundary_at
    from {{ ref('int_usage_boundaries') }}

),

-- Buckets of an hour need the hours of their dimension, whatever no boundary cuts.
hourly_dimensions as (

    select distinct dimension_id
    from {{ source('catalog', 'charges') }}
    where bucket_every = 'hour'

),

grouped_dimensions as (

    select distinct dimension_id
    from {{ source('catalog', 'dimension_keys') }}

),

-- Archived months that nobody had asked for groups then: they stay as they were.
ungrouped_months as (

    select
        months.tenant_id,
        months.dimension_id,
        months.usage_month
    from {{ ref('fct_usage_monthly') }} as months
    left join {{ ref('int_usage_groups_monthly') }} as grouped_months
        on
            months.tenant_id = grouped_months.tenant_id
            and months.dimension_id = grouped_months.dimension_id
            and months.usage_month = grouped_months.usage_month
    where
        grouped_months.usage_month is null
        and {{ is_archived('months.usage_month') }}

),

monthly as (

    select
        tenant_id,
        dimension_id,
        '{}'::jsonb as usage_group,
        usage_month::timestamp at time zone 'UTC' as started_at,
        {{ usage_values() }}
    from {{ ref('fct_usage_monthly') }}
    where
        dimension_id not in (select grouped_dimensions.dimension_id from grouped_dimensions)
        or (tenant_id, dimension_id, usage_month) in (
            select
                ungrouped_months.tenant_id,
                ungrouped_months.dimension_id,
                ungrouped_months.usage_month
            from ungrouped_months
        )

    union all

    select
        tenant_id,
        dimension_id,
        usage_group,
        usage_month::timestamp at time zone 'UTC' as started_at,
        {{ usage_values() }}
    from {{ ref('int_usage_groups_monthly') }}

),

daily as (

    select
        tenant_id,
        dimension_id,
        '{}'::jsonb as usage_group,
        usage_date::timestamp at time zone 'UTC' as started_at,
        {{ utc_month("usage_date::timestamp at time zone 'UTC'") }} as month_start_at,
        {{ usage_values() }}
    from {{ ref('fct_usage_daily') }}
    where
        dimension_id not in (select grouped_dimensions.dimension_id from grouped_dimensions)
        or (tenant_id, dimension_id, date_trunc('month', usage_date::timestamp)::date) in (
            select
                ungrouped_months.tenant_id,
                ungrouped_months.dimension_id,
                ungrouped_months.usage_month
            from ungrouped_months
        )

    union all

    select
        tenant_id,
        dimension_id,
        usage_group,
        usage_date::timestamp at time zone 'UTC' as started_at,
        {{ utc_month("usage_date::timestamp at time zone 'UTC'") }} as month_start_at,
        {{ usage_values() }}
    from {{ ref('int_usage_groups_daily') }}

),

hourly as (

    select
        tenant_id,
        dimension_id,
        '{}'::jsonb as usage_group,
        usage_hour as started_at,
        {{ utc_day('usage_hour') }} as day_start_at,
        {{ usage_values() }}
    from {{ ref('fct_usage_hourly') }}
    where
        dimension_id not in (select grouped_dimensions.dimension_id from grouped_dimensions)
        or (tenant_id, dimension_id, date_trunc('month', usage_hour at time zone 'UTC')::date) in (
            select
                ungrouped_months.tenant_id,
                ungrouped_months.dimension_id,
                ungrouped_months.usage_month
            from ungrouped_months
        )

    union all

    select
        tenant_id,
        dimension_id,
        usage_group,
        usage_hour as started_at,
        {{ utc_day('usage_hour') }} as day_start_at,
        {{ usage_values() }}
    from {{ ref('int_usage_groups_hourly') }}

),

-- What a boundary cuts: the month that it lies in, and the day and the hour, but not where it is
-- the beginning of one.
cuts as (

    select
        tenant_id,
        dimension_id,
        {{ utc_month('boundary_at') }} as month_start_at,
        case when boundary_at <> {{ utc_day('boundary_at') }} then {{ utc_day('boundary_at') }} end
            as cut_day,
        case
            when boundary_at <> {{ utc_hour('boundary_at') }} then {{ utc_hour('boundary_at') }}
        end as cut_hour
    from boundaries
    where boundary_at <> {{ utc_month('boundary_at') }}

    union all

    select
        tenant_id,
        dimension_id,
        {{ utc_month("usage_date::timestamp at time zone 'UTC'") }} as month_start_at,
        usage_date::timestamp at time zone 'UTC' as cut_day,
        null as cut_hour
    from {{ ref('fct_usage_daily') }}
    where dimension_id in (select hourly_dimensions.dimension_id from hourly_dimensions)

),

split_months as (

    select
        tenant_id,
        dimension_id,
        month_start_at,
        coalesce(array_agg(cut_day) filter (where cut_day is not null), '{}') as split_days
    from cuts
    group by tenant_id, dimension_id, month_start_at

),

split_days as (

    select
        tenant_id,
        dimension_id,
        cut_day as day_start_at,
        coalesce(array_agg(cut_hour) filter (where cut_hour is not null), '{}') as split_hours
    from cuts
    where cut_day is not null
    group by tenant_id, dimension_id, cut_day

),

whole_months as (

    select
        monthly.tenant_id,
        monthly.dimension_id,
        monthly.usage_group,
        monthly.started_at,
        {{ usage_values('monthly') }}
    from monthly
    left join split_months
        on
            monthly.tenant_id = split_months.tenant_id
            and monthly.dimension_id = split_months.dimension_id
            and monthly.started_at = split_months.month_start_at
    where split_months.tenant_id is null

),

whole_days as (

    select
        daily.tenant_id,
        daily.dimension_id,
        daily.usage_group,
        daily.started_at,
        {{ usage_values('daily') }}
    from daily
    inner join split_months
        on
            daily.tenant_id = split_months.tenant_id
            and daily.dimension_id = split_months.dimension_id
            and daily.month_start_at = split_months.month_start_at
            and daily.started_at <> all(split_months.split_days)

),

whole_hours as (

    select
        hourly.tenant_id,
        hourly.dimension_id,
        hourly.usage_group,
        hourly.started_at,
        {{ usage_values('hourly') }}
    from hourly
    inner join split_days
        on
            hourly.tenant_id = split_days.tenant_id
            and hourly.dimension_id = split_days.dimension_id
            and hourly.day_start_at = split_days.day_start_at
            and hourly.started_at <> all(split_days.split_hours)

),

-- Where a boundary lies inside a UTC hour (Kolkata, Kathmandu), each instant is a cell.
instants as (

    select
        tenant_id,
        dimension_id,
        usage_group,
        started_at,
        {{ usage_values() }}
    from {{ ref('int_usage_instants') }}

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
    usage_group::jsonb as usage_group,
    started_at::timestamptz as started_at,
    {{ typed_usage_values() }}
from cells
