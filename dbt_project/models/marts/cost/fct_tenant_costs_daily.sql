with

allocations as (

    select
        cost_pool_id,
        tenant_id,
        unallocated_reason,
        billed_cost,
        effective_cost
    from {{ ref('int_cost_allocations') }}

),

pools as (

    select
        cost_pool_id,
        cost_date,
        source,
        service_name,
        currency,
        rule_id,
        method,
        cost_kind,
        dimension_id,
        is_estimated
    from {{ ref('int_cost_pools') }}

)

select
    {{ key_of(['pools.cost_pool_id', 'allocations.tenant_id']) }}::text as tenant_cost_id,
    allocations.tenant_id::text as tenant_id,
    pools.cost_date::date as cost_date,
    pools.source::text as source,
    pools.service_name::text as service_name,
    pools.cost_kind::text as cost_kind,
    pools.dimension_id::text as dimension_id,
    pools.rule_id::text as rule_id,
    pools.method::text as allocation_method,
    (allocations.tenant_id is not null)::boolean as is_allocated,
    allocations.unallocated_reason::text as unallocated_reason,
    allocations.effective_cost::numeric(38, 12) as effective_cost,
    allocations.billed_cost::numeric(38, 12) as billed_cost,
    pools.currency::text as currency,
    pools.is_estimated::boolean as is_estimated,
    {{ in_reporting_currency('allocations.effective_cost') }} as reporting_effective_cost,
    {{ in_reporting_currency('allocations.billed_cost') }} as reporting_billed_cost,
    currency_rates.reporting_currency::text as reporting_currency
from allocations
inner join pools
    on allocations.cost_pool_id = pools.cost_pool_id
{{ join_rate('pools', 'pools.cost_date') }}
