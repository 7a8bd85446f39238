-- What is known of usage by metadata, by instants and by buckets is the same usage: per month, its
-- sum and its records are those of the month. Reads all of these cells: no part of a build.
{{ config(tags=['on_demand']) }}
with

months as (

    select
        tenant_id,
        dimension_id,
        usage_month,
        quantity_sum,
        record_count
    from {{ ref('fct_usage_monthly') }}
    where not {{ is_archived('usage_month') }}

),

refined as (

    select
        'day' as cell,
        tenant_id,
        dimension_id,
        date_trunc('month', usage_date::timestamp)::date as usage_month,
        sum(quantity_sum) as quantity_sum,
        sum(record_count) as record_count
    from {{ ref('int_usage_groups_daily') }}
    group by tenant_id, dimension_id, date_trunc('month', usage_date::timestamp)

    union all

    select
        'hour' as cell,
        tenant_id,
        dimension_id,
        date_trunc('month', usage_hour at time zone 'UTC')::date as usage_month,
        sum(quantity_sum) as quantity_sum,
        sum(record_count) as record_count
    from {{ ref('int_usage_groups_hourly') }}
    group by tenant_id, dimension_id, date_trunc('month', usage_hour at time zone 'UTC')

    union all

    select
        grain as cell,
        tenant_id,
        dimension_id,
        date_trunc('month', started_at at time zone 'UTC')::date as usage_month,
        sum(quantity_sum) as quantity_sum,
        sum(record_count) as record_count
    from {{ ref('int_usage_moments') }}
    group by tenant_id, dimension_id, grain, date_trunc('month', started_at at time zone 'UTC')

)

select
    refined.cell,
    months.tenant_id,
    months.dimension_id,
    months.usage_month,
    months.quantity_sum,
    refined.quantity_sum as refined_quantity_sum
from refined
inner join months
    on
        refined.tenant_id = months.tenant_id
        and refined.dimension_id = months.dimension_id
        and refined.usage_month = months.usage_month
where
    refined.quantity_sum <> months.quantity_sum
    or refined.record_count <> months.record_count
