{{ config(sql_header=hash_joins() ~ ';') }}
-- What a line is broken down into is the line, to the last unit of its currency.
with

line_groups as (

    select
        invoice_line_id,
        sum(amount) as amount,
        sum(quantity) as quantity
    from {{ ref('fct_invoice_line_groups') }}
    group by invoice_line_id

),

lines as (

    select
        invoice_line_id,
        amount,
        quantity
    from {{ ref('fct_invoice_lines') }}

)

select
    lines.invoice_line_id,
    lines.amount,
    line_groups.amount as amount_of_groups
from line_groups
inner join lines
    on line_groups.invoice_line_id = lines.invoice_line_id
where
    lines.amount <> line_groups.amount
    or lines.quantity <> line_groups.quantity
