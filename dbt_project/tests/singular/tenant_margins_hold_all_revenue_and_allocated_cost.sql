{{ config(sql_header=hash_joins() ~ ';') }}
-- Per month and currency: nothing is lost between the invoice lines, the cost and the margins.
with

revenue_lines as (

    select
        revenue_month as margin_month,
        currency,
        sum(revenue) as revenue
    from {{ ref('int_revenue_lines') }}
    group by revenue_month, currency

),

tenant_costs as (

    select
        date_trunc('month', cost_date::timestamp)::date as margin_month,
        currency,
        sum(effective_cost) as cost
    from {{ ref('fct_tenant_costs_daily') }}
    where is_allocated
    group by date_trunc('month', cost_date::timestamp)::date, currency

),

margins as (

    select
        margin_month,
        currency,
        sum(revenue) as revenue,
        sum(variable_cost + fixed_cost) as cost
    from {{ ref('fct_tenant_margins_monthly') }}
    group by margin_month, currency

)

select
    margins.margin_month,
    margins.currency,
    margins.revenue,
    revenue_lines.revenue as line_revenue,
    margins.cost,
    tenant_costs.cost as allocated_cost
from margins
full join revenue_lines
    on
        margins.margin_month = revenue_lines.margin_month
        and margins.currency = revenue_lines.currency
full join tenant_costs
    on
        margins.margin_month = tenant_costs.margin_month
        and margins.currency = tenant_costs.currency
where
    coalesce(margins.revenue, 0) <> coalesce(revenue_lines.revenue, 0)
    or coalesce(margins.cost, 0) <> coalesce(tenant_costs.cost, 0)
