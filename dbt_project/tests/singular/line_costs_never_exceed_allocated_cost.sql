{{ config(sql_header=hash_joins() ~ ';') }}
-- A cost that reached two invoice lines would show here: per customer and currency, lines carry at
-- most what the customer's tenants cost. Equality would ask that every day is covered by a line.
with

line_costs as (

    select
        invoice_line_id,
        currency,
        variable_cost + fixed_cost as cost
    from {{ ref('int_line_costs') }}

),

lines as (

    select
        invoice_line_id,
        customer_id
    from {{ ref('int_revenue_lines') }}

),

tenants as (

    select
        tenant_id,
        customer_id
    from {{ source('catalog', 'tenants') }}
    where {{ is_current_version() }}

),

tenant_costs as (

    select
        tenant_id,
        currency,
        effective_cost
    from {{ ref('fct_tenant_costs_daily') }}
    where
        is_allocated
        and effective_cost > 0

),

carried as (

    select
        lines.customer_id,
        line_costs.currency,
        sum(line_costs.cost) as cost
    from line_costs
    inner join lines
        on line_costs.invoice_line_id = lines.invoice_line_id
    group by lines.customer_id, line_costs.currency

),

allocated as (

    select
        tenants.customer_id,
        tenant_costs.currency,
        sum(tenant_costs.effective_cost) as cost
    from tenant_costs
    inner join tenants
        on tenant_costs.tenant_id = tenants.tenant_id
    group by tenants.customer_id, tenant_costs.currency

)

select
    carried.customer_id,
    carried.currency,
    carried.cost as carried_cost,
    allocated.cost as allocated_cost
from carried
left join allocated
    on
        carried.customer_id = allocated.customer_id
        and carried.currency = allocated.currency
where carried.cost > coalesce(allocated.cost, 0)
