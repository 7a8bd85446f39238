{{ config(sql_header=hash_joins() ~ ';') }}
-- What is priced has slices, and what they come to is on a line, before rounding.
with

priced as (

    select distinct
        {{ usage_line_id('units') }} as invoice_line_id
    from {{ ref('int_priced_units') }} as units

),

slices as (

    select
        {{ usage_line_id('slices') }} as invoice_line_id,
        sum(slices.exact_amount) as exact_amount
    from {{ ref('int_price_slices') }} as slices
    group by slices.invoice_id, slices.charge_id, slices.part_number

)

select
    coalesce(priced.invoice_line_id, slices.invoice_line_id) as invoice_line_id,
    slices.exact_amount,
    lines.exact_amount as line_amount
from priced
full join slices
    on priced.invoice_line_id = slices.invoice_line_id
left join {{ ref('int_charge_lines') }} as lines
    on slices.invoice_line_id = lines.invoice_line_id
where
    priced.invoice_line_id is null
    or slices.invoice_line_id is null
    or slices.exact_amount <> coalesce(lines.exact_amount, 0)
