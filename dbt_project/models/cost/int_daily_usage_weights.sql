{{ config(materialized='view') }}

with

usage_days as (

    select
        tenant_id,
        dimension_id,
        usage_date,
        quantity_sum,
        record_count,
        quantity_min,
        quantity_max,
        quantity_last
    from {{ ref('fct_usage_daily') }}

),

dimensions as (

    select
        dimension_id,
        aggregation
    from {{ source('catalog', 'dimensions') }}
    where {{ is_current_version() }}

),

quantities as (

    select
        usage_days.tenant_id,
        usage_days.dimension_id,
        usage_days.usage_date,
        {{ quantity_by_aggregation('dimensions.aggregation', 'usage_days') }} as quantity
    from usage_days
    inner join dimensions
        on usage_days.dimension_id = dimensions.dimension_id

)

-- Corrections may take a tenant's day below zero; it then carries no cost, and earns none.
select
    tenant_id::text as tenant_id,
    dimension_id::text as dimension_id,
    usage_date::date as usage_date,
    quantity::numeric(38, 9) as weight
from quantities
where quantity > 0
