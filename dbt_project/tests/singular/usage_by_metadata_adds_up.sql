-- Usage by metadata is the same usage: a dimension of which charges name keys has all of its months
-- by metadata, and their sums and records are those of the months.
with

months as (

    select
        tenant_id,
        dimension_id,
        usage_month,
        quantity_sum,
        record_count
    from {{ ref('fct_usage_monthly') }}
    where
        not {{ is_archived('usage_month') }}
        and dimension_id in (
            select keys.dimension_id
            from {{ source('catalog', 'dimension_keys') }} as keys
        )

),

months_by_metadata as (

    select
        tenant_id,
        dimension_id,
        usage_month,
        sum(quantity_sum) as quantity_sum,
        sum(record_count) as record_count
    from {{ ref('int_usage_groups_monthly') }}
    group by tenant_id, dimension_id, usage_month

)

select
    months.tenant_id,
    months.dimension_id,
    months.usage_month,
    months.quantity_sum,
    months_by_metadata.quantity_sum as quantity_sum_by_metadata
from months
left join months_by_metadata
    on
        months.tenant_id = months_by_metadata.tenant_id
        and months.dimension_id = months_by_metadata.dimension_id
        and months.usage_month = months_by_metadata.usage_month
where
    (months.quantity_sum, months.record_count)
    is distinct from (months_by_metadata.quantity_sum, months_by_metadata.record_count)
