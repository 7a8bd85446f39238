{{ config(sql_header=hash_joins() ~ ';') }}
-- Per source, service and UTC day. A line of several days is compared with its parts of each day.
with

cost_days as (

    select
        cost_line_id,
        cost_date,
        billed_cost,
        effective_cost
    from {{ ref('int_cost_days') }}

),

cost_lines as (

    select
        cost_line_id,
        source,
        service_name,
        billing_currency
    from {{ ref('jnl_cost_lines') }}

),

tenant_costs as (

    select
        source,
        service_name,
        currency,
        cost_date,
        billed_cost,
        effective_cost
    from {{ ref('fct_tenant_costs_daily') }}

),

bill as (

    select
        cost_lines.source,
        cost_lines.service_name,
        cost_lines.billing_currency as currency,
        cost_days.cost_date,
        sum(cost_days.billed_cost) as billed_cost,
        sum(cost_days.effective_cost) as effective_cost
    from cost_days
    inner join cost_lines
        on cost_days.cost_line_id = cost_lines.cost_line_id
    group by
        cost_lines.source,
        cost_lines.service_name,
        cost_lines.billing_currency,
        cost_days.cost_date

),

allocation as (

    select
        source,
        service_name,
        currency,
        cost_date,
        sum(billed_cost) as billed_cost,
        sum(effective_cost) as effective_cost
    from tenant_costs
    group by source, service_name, currency, cost_date

)

select
    coalesce(bill.source, allocation.source) as source,
    coalesce(bill.service_name, allocation.service_name) as service_name,
    coalesce(bill.currency, allocation.currency) as currency,
    coalesce(bill.cost_date, allocation.cost_date) as cost_date,
    bill.effective_cost as bill_effective_cost,
    allocation.effective_cost as allocation_effective_cost,
    bill.billed_cost as bill_billed_cost,
    allocation.billed_cost as allocation_billed_cost
from bill
full join allocation
    on
        bill.source = allocation.source
        and bill.service_name = allocation.service_name
        and bill.currency = allocation.currency
        and bill.cost_date = allocation.cost_date
where
    bill.effective_cost is distinct from allocation.effective_cost
    or bill.billed_cost is distinct from allocation.billed_cost
