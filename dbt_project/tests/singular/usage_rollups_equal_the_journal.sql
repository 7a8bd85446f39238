-- Hourly, daily and monthly rollups and the journal say the same, per tenant and dimension.
with

parameters as (

    select journal_watermark
    from {{ source('ops', 'parameters') }}

),

totals as (

    select
        'journal' as grain,
        entries.tenant_id,
        entries.dimension_id,
        sum(entries.value) as quantity,
        sum(entries.sign) as records
    from {{ ref('jnl_usage_entries') }} as entries
    inner join parameters
        on entries.build_number <= parameters.journal_watermark
    group by entries.tenant_id, entries.dimension_id

    union all

    select
        'hour' as grain,
        tenant_id,
        dimension_id,
        sum(quantity_sum) as quantity,
        sum(record_count) as records
    from {{ ref('fct_usage_hourly') }}
    group by tenant_id, dimension_id

    union all

    select
        'day' as grain,
        tenant_id,
        dimension_id,
        sum(quantity_sum) as quantity,
        sum(record_count) as records
    from {{ ref('fct_usage_daily') }}
    group by tenant_id, dimension_id

    union all

    select
        'month' as grain,
        tenant_id,
        dimension_id,
        sum(quantity_sum) as quantity,
        sum(record_count) as records
    from {{ ref('fct_usage_monthly') }}
    group by tenant_id, dimension_id

)

select
    tenant_id,
    dimension_id,
    min(quantity) as lowest_quantity,
    max(quantity) as highest_quantity
from totals
group by tenant_id, dimension_id
having
    count(*) <> 4
    or min(quantity) <> max(quantity)
    or min(records) <> max(records)
