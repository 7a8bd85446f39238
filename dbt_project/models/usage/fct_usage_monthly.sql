with

daily as (

    select
        tenant_id,
        dimension_id,
        date_trunc('month', usage_date::timestamp)::date as usage_month,
        usage_date,
        quantity_sum,
        record_count,
        quantity_min,
        quantity_max,
        quantity_last,
        last_recorded_at
    from {{ ref('fct_usage_daily') }}

),

monthly as (

    select
        tenant_id,
        dimension_id,
        usage_month,
        sum(quantity_sum) as quantity_sum,
        sum(record_count) as record_count,
        min(quantity_min) as quantity_min,
        max(quantity_max) as quantity_max,
        {{ latest_by('quantity_last', 'usage_date desc', 'last_recorded_at is not null') }}
            as quantity_last,
        max(last_recorded_at) as last_recorded_at
    from daily
    group by tenant_id, dimension_id, usage_month

)

select
    tenant_id::text as tenant_id,
    dimension_id::text as dimension_id,
    usage_month::date as usage_month,
    quantity_sum::numeric(38, 9) as quantity_sum,
    record_count::bigint as record_count,
    quantity_min::numeric(38, 9) as quantity_min,
    quantity_max::numeric(38, 9) as quantity_max,
    quantity_last::numeric(38, 9) as quantity_last,
    last_recorded_at::timestamptz as last_recorded_at
from monthly
