{#-
    Cells of the usage rollups that are not what their entries, hours or days come to, computed in
    another way than the rollups do: for the cells of one hour (`sampled`) and, of a slice of its
    tenants, for their day and month, which another build chooses differently; or for all there
    are. Of archived months, whose entries are not here, only
    days, months and totals are compared. What a sample reads is found by its time; of all other
    history, only the totals of months are read.
-#}
{% macro differing_rollups(sampled) -%}
with

parameters as (

    select
        build_number,
        journal_watermark
    from {{ source('ops', 'parameters') }}

),

{% if sampled %}
chosen as (

    select
        {{ sampled_hour(ref('jnl_control_totals'), 'parameters.build_number') }} as usage_hour,
        {{ sampled_slice(ref('jnl_control_totals'), 'parameters.build_number') }} as slice
    from parameters

),

sample as (

    select
        usage_hour,
        slice,
        usage_hour + interval '1 hour' as hour_end,
        {{ utc_day('usage_hour') }} as day_start,
        {{ utc_day('usage_hour') }} + interval '1 day' as day_end,
        date_trunc('month', usage_hour at time zone 'UTC')::date as month_start,
        (date_trunc('month', usage_hour at time zone 'UTC') + interval '1 month')::date as month_end
    from chosen

),
{% endif %}

entries as (

    select *
    from {{ ref('jnl_usage_entries') }}
    where
        build_number <= (select parameters.journal_watermark from parameters)
        {% if has_archive() %}
        and {{ is_in_journal('occurred_at') }}
        {% endif %}
        {% if sampled %}
        and occurred_at >= (select sample.usage_hour from sample)
        and occurred_at < (select sample.hour_end from sample)
        {% endif %}

),

standing as (

    select
        entries.*,
        entries.sign = 1 and reversals.record_key is null as is_standing
    from entries
    left join entries as reversals
        on
            entries.record_key = reversals.record_key
            and reversals.is_reversal

),

right_hours as (

    select
        tenant_id,
        dimension_id,
        {{ utc_hour('occurred_at') }} as usage_hour,
        sum(value) as quantity_sum,
        sum(sign) as record_count,
        min(value) filter (where is_standing) as quantity_min,
        max(value) filter (where is_standing) as quantity_max,
        (array_agg(value order by occurred_at desc, value desc) filter (where is_standing))[1]
            as quantity_last,
        max(occurred_at) filter (where is_standing) as last_recorded_at
    from standing
    group by tenant_id, dimension_id, {{ utc_hour('occurred_at') }}

),

hours as (

    select *
    from {{ ref('fct_usage_hourly') }}
    {% if sampled %}
    where usage_hour = (select sample.usage_hour from sample)
    {% endif %}

),

hours_in_journal as (

    select *
    from hours
    {% if has_archive() %}
    where {{ is_in_journal('usage_hour') }}
    {% endif %}

),

{% if sampled %}
cells_of_slice as (

    select
        tenant_id,
        dimension_id
    from hours
    where {{ slice_of('tenant_id') }} = (select sample.slice from sample)

),
{% endif %}

right_days as (

    select
        hourly.tenant_id,
        hourly.dimension_id,
        (hourly.usage_hour at time zone 'UTC')::date as usage_date,
        sum(hourly.quantity_sum) as quantity_sum,
        sum(hourly.record_count) as record_count,
        min(hourly.quantity_min) as quantity_min,
        max(hourly.quantity_max) as quantity_max,
        (array_agg(hourly.quantity_last order by hourly.usage_hour desc)
            filter (where hourly.last_recorded_at is not null))[1] as quantity_last,
        max(hourly.last_recorded_at) as last_recorded_at
    from {{ ref('fct_usage_hourly') }} as hourly
    {% if sampled %}
    inner join cells_of_slice
        on
            hourly.tenant_id = cells_of_slice.tenant_id
            and hourly.dimension_id = cells_of_slice.dimension_id
    where
        hourly.usage_hour >= (select sample.day_start from sample)
        and hourly.usage_hour < (select sample.day_end from sample)
    {% endif %}
    group by
        hourly.tenant_id,
        hourly.dimension_id,
        (hourly.usage_hour at time zone 'UTC')::date

),

days as {{ inlined() }} (

    select *
    from {{ ref('fct_usage_daily') }}
    {% if sampled %}
    where
        usage_date >= (select sample.month_start from sample)
        and usage_date < (select sample.month_end from sample)
    {% endif %}

),

right_months as (

    select
        daily.tenant_id,
        daily.dimension_id,
        date_trunc('month', daily.usage_date::timestamp)::date as usage_month,
        sum(daily.quantity_sum) as quantity_sum,
        sum(daily.record_count) as record_count,
        min(daily.quantity_min) as quantity_min,
        max(daily.quantity_max) as quantity_max,
        (array_agg(daily.quantity_last order by daily.usage_date desc)
            filter (where daily.last_recorded_at is not null))[1] as quantity_last,
        max(daily.last_recorded_at) as last_recorded_at
    from days as daily
    {% if sampled %}
    inner join cells_of_slice
        on
            daily.tenant_id = cells_of_slice.tenant_id
            and daily.dimension_id = cells_of_slice.dimension_id
    {% endif %}
    group by
        daily.tenant_id,
        daily.dimension_id,
        date_trunc('month', daily.usage_date::timestamp)::date

),

totals as (

    select
        dimension_id,
        usage_month,
        sum(quantity) as quantity,
        sum(record_count) as record_count
    from {{ ref('jnl_control_totals') }}
    where build_number <= (select parameters.journal_watermark from parameters)
    group by dimension_id, usage_month

),

months as (

    select
        dimension_id,
        usage_month,
        sum(quantity_sum) as quantity,
        sum(record_count) as record_count
    from {{ ref('fct_usage_monthly') }}
    group by dimension_id, usage_month

)

select
    'hour' as cell,
    coalesce(right_hours.tenant_id, booked.tenant_id) as tenant_id,
    coalesce(right_hours.dimension_id, booked.dimension_id) as dimension_id,
    coalesce(right_hours.usage_hour, booked.usage_hour)::text as starts,
    right_hours.quantity_sum as right_quantity,
    booked.quantity_sum as quantity
from right_hours
full join hours_in_journal as booked
    on
        right_hours.tenant_id = booked.tenant_id
        and right_hours.dimension_id = booked.dimension_id
        and right_hours.usage_hour = booked.usage_hour
where {{ is_another_cell('right_hours', 'booked') }}

union all

select
    'day' as cell,
    right_days.tenant_id,
    right_days.dimension_id,
    right_days.usage_date::text as starts,
    right_days.quantity_sum as right_quantity,
    days.quantity_sum as quantity
from right_days
left join days
    on
        right_days.tenant_id = days.tenant_id
        and right_days.dimension_id = days.dimension_id
        and right_days.usage_date = days.usage_date
        {% if sampled %}
        and days.usage_date = (select (sample.day_start at time zone 'UTC')::date from sample)
        {% endif %}
where {{ is_another_cell('right_days', 'days') }}

union all

select
    'month' as cell,
    right_months.tenant_id,
    right_months.dimension_id,
    right_months.usage_month::text as starts,
    right_months.quantity_sum as right_quantity,
    months_of_tenants.quantity_sum as quantity
from right_months
left join {{ ref('fct_usage_monthly') }} as months_of_tenants
    on
        right_months.tenant_id = months_of_tenants.tenant_id
        and right_months.dimension_id = months_of_tenants.dimension_id
        and right_months.usage_month = months_of_tenants.usage_month
where {{ is_another_cell('right_months', 'months_of_tenants') }}

union all

select
    'total' as cell,
    null as tenant_id,
    coalesce(totals.dimension_id, months.dimension_id) as dimension_id,
    coalesce(totals.usage_month, months.usage_month)::text as starts,
    totals.quantity as right_quantity,
    months.quantity
from totals
full join months
    on
        totals.dimension_id = months.dimension_id
        and totals.usage_month = months.usage_month
where
    totals.quantity is distinct from months.quantity
    or totals.record_count is distinct from months.record_count
{%- endmacro %}


{% macro is_another_cell(one, other) -%}
    (
        {{ one }}.quantity_sum, {{ one }}.record_count, {{ one }}.quantity_min,
        {{ one }}.quantity_max, {{ one }}.quantity_last, {{ one }}.last_recorded_at
    ) is distinct from (
        {{ other }}.quantity_sum, {{ other }}.record_count, {{ other }}.quantity_min,
        {{ other }}.quantity_max, {{ other }}.quantity_last, {{ other }}.last_recorded_at
    )
{%- endmacro %}


{#- Whether the month of an instant is not archived. -#}
{% macro is_in_journal(instant) -%}
    date_trunc('month', {{ instant }} at time zone 'UTC')::date
    not in (select archived_months.usage_month from ops.archived_months)
{%- endmacro %}
