with

tenant_costs as (

    select
        tenant_id,
        cost_date,
        cost_kind,
        dimension_id,
        effective_cost,
        currency
    from {{ ref('fct_tenant_costs_daily') }}
    where is_allocated

),

tenants as (

    select
        tenant_id,
        contract_customer_id as customer_id
    from {{ source('catalog', 'tenants') }}
    where {{ is_current_version() }}

),

customer_costs as (

    select
        tenants.customer_id,
        tenant_costs.cost_date,
        tenant_costs.cost_kind,
        tenant_costs.dimension_id,
        tenant_costs.currency,
        sum(tenant_costs.effective_cost) as effective_cost
    from tenant_costs
    inner join tenants
        on tenant_costs.tenant_id = tenants.tenant_id
    group by
        tenants.customer_id,
        tenant_costs.cost_date,
        tenant_costs.cost_kind,
        tenant_costs.dimension_id,
        tenant_costs.currency

)

select
    {{ key_of(['customer_id', 'cost_date', 'cost_kind', 'dimension_id', 'currency']) }}::text
        as customer_cost_id,
    customer_id::text as customer_id,
    cost_date::date as cost_date,
    cost_kind::text as cost_kind,
    dimension_id::text as dimension_id,
    currency::text as currency,
    effective_cost::numeric(38, 12) as effective_cost
from customer_costs
