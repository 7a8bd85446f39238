{{ config(sql_header=hash_joins() ~ ';') }}
-- The tiers of a charge add up to its line, before rounding.
with

slices as (

    select
        {{ usage_line_id('slices') }} as invoice_line_id,
        sum(slices.exact_amount) as exact_amount
    from {{ ref('int_price_slices') }} as slices
    group by slices.invoice_id, slices.charge_id, slices.part_number

)

select
    slices.invoice_line_id,
    slices.exact_amount,
    lines.exact_amount as line_amount
from slices
left join {{ ref('int_charge_lines') }} as lines
    on slices.invoice_line_id = lines.invoice_line_id
where slices.exact_amount <> coalesce(lines.exact_amount, 0)
