{{ config(sql_header=hash_joins() ~ ';') }}
-- The tiers of a charge add up to its line, before rounding.
with

slices as (

    select
        -- Part 0 are seats in advance.
        invoice_id
        || case when part_number = 0 then '/fee/' else '/usage/' end
        || charge_id || '/' || part_number as invoice_line_id,
        sum(exact_amount) as exact_amount
    from {{ ref('int_price_slices') }}
    group by invoice_id, charge_id, part_number

)

select
    slices.invoice_line_id,
    slices.exact_amount,
    lines.exact_amount as line_amount
from slices
left join {{ ref('int_charge_lines') }} as lines
    on slices.invoice_line_id = lines.invoice_line_id
where slices.exact_amount <> coalesce(lines.exact_amount, 0)
