with

pools as (

    select
        cost_pool_id,
        cost_date,
        rule_id,
        method,
        dimension_id,
        direct_tenant_id
    from {{ ref('int_cost_pools') }}

),

usage_weights as (

    select
        tenant_id,
        dimension_id,
        usage_date,
        weight
    from {{ ref('int_daily_usage_weights') }}

),

active_tenants as (

    select distinct
        tenant_id,
        usage_date
    from {{ ref('fct_usage_daily') }}
    where record_count > 0

),

fixed_weights as (

    select
        rule_id,
        tenant_id,
        weight
    from {{ source('catalog', 'cost_rule_weights') }}
    where
        {{ is_current_version() }}
        and weight > 0

),

shares as (

    select
        cost_pool_id,
        direct_tenant_id as tenant_id,
        1 as weight
    from pools
    where method = 'direct'

    union all

    select
        pools.cost_pool_id,
        usage_weights.tenant_id,
        usage_weights.weight
    from pools
    inner join usage_weights
        on
            pools.dimension_id = usage_weights.dimension_id
            and pools.cost_date = usage_weights.usage_date
    where pools.method = 'proportional'

    union all

    select
        pools.cost_pool_id,
        active_tenants.tenant_id,
        1 as weight
    from pools
    inner join active_tenants
        on pools.cost_date = active_tenants.usage_date
    where pools.method = 'even'

    union all

    select
        pools.cost_pool_id,
        fixed_weights.tenant_id,
        fixed_weights.weight
    from pools
    inner join fixed_weights
        on pools.rule_id = fixed_weights.rule_id
    where pools.method = 'fixed'

)

select
    cost_pool_id::text as cost_pool_id,
    tenant_id::text as tenant_id,
    weight::numeric(50, 12) as weight
from shares
