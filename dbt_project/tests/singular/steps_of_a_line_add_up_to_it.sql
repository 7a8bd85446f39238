{{ config(sql_header=hash_joins() ~ ';') }}
-- What the steps of a line add to it is the line; what has a price is its quantity at that price.
with

lines as (

    select
        invoice_line_id,
        amount
    from {{ ref('fct_invoice_lines') }}

),

steps as (

    select
        invoice_line_id,
        step_number,
        amount,
        round(
            quantity * unit_amount * coalesce(days, 1) / coalesce(of_days, 1), 12
        ) as amount_at_price
    from {{ ref('fct_invoice_line_steps') }}

),

totals as (

    select
        invoice_line_id,
        sum(amount) as amount
    from steps
    group by invoice_line_id

)

select
    lines.invoice_line_id,
    null::integer as step_number,
    lines.amount,
    totals.amount as amount_of_steps
from lines
left join totals
    on lines.invoice_line_id = totals.invoice_line_id
where lines.amount is distinct from totals.amount

union all

-- In their last digit steps differ: they are rounded as one.
select
    invoice_line_id,
    step_number,
    amount,
    amount_at_price as amount_of_steps
from steps
where abs(amount - amount_at_price) > 0.000000000002
