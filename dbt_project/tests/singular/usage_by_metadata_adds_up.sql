-- Usage by metadata is the same usage: per month, its sum and its records are those of the month.
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
        'month' as cell,
        tenant_id,
        dimension_id,
        usage_month,
        sum(quantity_sum) as quantity_sum,
        sum(record_count) as record_count
    from {{ ref('int_usage_groups_monthly') }}
    group by tenant_id, dimension_id, usage_month

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

union all

-- A dimension of which charges name keys has all of its months by metadata.
select
    'missing' as cell,
    months.tenant_id,
    months.dimension_id,
    months.usage_month,
    months.quantity_sum,
    null as refined_quantity_sum
from months
left join refined
    on
        months.tenant_id = refined.tenant_id
        and months.dimension_id = refined.dimension_id
        and months.usage_month = refined.usage_month
        and refined.cell = 'month'
where
    refined.cell is null
    and months.dimension_id in (
        select keys.dimension_id
        from {{ source('catalog', 'dimension_keys') }} as keys
    )
