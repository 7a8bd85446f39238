with

hourly as (

    select
        tenant_id,
        dimension_id,
        (usage_hour at time zone 'UTC')::date as usage_date,
        usage_hour,
        quantity_sum,
        record_count,
        quantity_min,
        quantity_max,
        quantity_last,
        last_recorded_at
    from {{ ref('fct_usage_hourly') }}

),

daily as (

    select
        tenant_id,
        dimension_id,
        usage_date,
        sum(quantity_sum) as quantity_sum,
        sum(record_count) as record_count,
        min(quantity_min) as quantity_min,
        max(quantity_max) as quantity_max,
        {{ latest_by('quantity_last', 'usage_hour desc', 'last_recorded_at is not null') }}
            as quantity_last,
        max(last_recorded_at) as last_recorded_at
    from hourly
    group by tenant_id, dimension_id, usage_date

)

select
    tenant_id::text as tenant_id,
    dimension_id::text as dimension_id,
    usage_date::date as usage_date,
    quantity_sum::numeric(38, 9) as quantity_sum,
    record_count::bigint as record_count,
    quantity_min::numeric(38, 9) as quantity_min,
    quantity_max::numeric(38, 9) as quantity_max,
    quantity_last::numeric(38, 9) as quantity_last,
    last_recorded_at::timestamptz as last_recorded_at
from daily
