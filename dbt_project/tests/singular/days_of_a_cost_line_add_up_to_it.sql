{{ config(sql_header=hash_joins() ~ ';') }}
with

cost_lines as (

    select
        cost_line_id,
        billed_cost,
        effective_cost
    from {{ ref('jnl_cost_lines') }}

),

cost_days as (

    select
        cost_line_id,
        sum(billed_cost) as billed_cost,
        sum(effective_cost) as effective_cost
    from {{ ref('int_cost_days') }}
    group by cost_line_id

)

select
    coalesce(cost_lines.cost_line_id, cost_days.cost_line_id) as cost_line_id,
    cost_lines.effective_cost as line_effective_cost,
    cost_days.effective_cost as days_effective_cost,
    cost_lines.billed_cost as line_billed_cost,
    cost_days.billed_cost as days_billed_cost
from cost_lines
full join cost_days
    on cost_lines.cost_line_id = cost_days.cost_line_id
where
    cost_lines.effective_cost is distinct from cost_days.effective_cost
    or cost_lines.billed_cost is distinct from cost_days.billed_cost
