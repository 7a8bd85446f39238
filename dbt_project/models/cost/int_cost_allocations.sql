with

pools as (

    select
        cost_pool_id,
        rule_id,
        method,
        billed_cost,
        effective_cost
    from {{ ref('int_cost_pools') }}

),

shares as (

    select
        cost_pool_id,
        tenant_id,
        weight
    from {{ ref('int_cost_shares') }}

),

weighted as (

    select
        shares.cost_pool_id,
        shares.tenant_id,
        shares.weight,
        pools.billed_cost,
        pools.effective_cost
    from shares
    inner join pools
        on shares.cost_pool_id = pools.cost_pool_id

),

allocated as (

    {{ split_amounts(
        relation='weighted',
        whole=['cost_pool_id'],
        part='tenant_id',
        weight='weight',
        amounts=['billed_cost', 'effective_cost'],
    ) }}

),

-- A pool is allocated whole or not at all.
unallocated as (

    select
        pools.cost_pool_id,
        case
            when pools.rule_id is null then 'no_rule'
            when pools.method = 'unallocated' then 'by_rule'
            when pools.method = 'fixed' then 'no_weights'
            else 'no_usage'
        end as unallocated_reason,
        pools.billed_cost,
        pools.effective_cost
    from pools
    where not exists (
        select 1
        from shares
        where shares.cost_pool_id = pools.cost_pool_id
    )

),

allocations as (

    select
        cost_pool_id,
        tenant_id,
        null as unallocated_reason,
        billed_cost,
        effective_cost
    from allocated

    union all

    select
        cost_pool_id,
        null as tenant_id,
        unallocated_reason,
        billed_cost,
        effective_cost
    from unallocated

)

select
    cost_pool_id::text as cost_pool_id,
    tenant_id::text as tenant_id,
    unallocated_reason::text as unallocated_reason,
    billed_cost::numeric(38, 12) as billed_cost,
    effective_cost::numeric(38, 12) as effective_cost
from allocations
