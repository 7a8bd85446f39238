-- Invoices and costs can be added up in the company's currency: their own has a rate on their day.
select
    currency,
    min(period_end - 1) as first_day,
    count(*) as row_count
from {{ ref('fct_invoices') }}
where reporting_total is null
group by currency

union all

select
    currency,
    min(cost_date) as first_day,
    count(*) as row_count
from {{ ref('fct_tenant_costs_daily') }}
where reporting_effective_cost is null
group by currency
