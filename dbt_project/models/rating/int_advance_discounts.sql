with recursive

steps as (

    select
        invoice_line_id,
        invoice_id,
        service_start,
        step,
        discount_id,
        discount_number,
        minor_units,
        exact_amount,
        units,
        percent,
        discounted_days,
        line_days,
        units_due
    from {{ ref('int_discount_steps') }}
    where is_advance

),

applied as (

    {{ discounts_in_order() }}

)

select
    invoice_line_id::text as invoice_line_id,
    discount_id::text as discount_id,
    discount_number::integer as discount_number,
    is_amount::boolean as is_amount,
    exact_base::numeric(38, 12) as exact_base,
    exact_discount::numeric(38, 12) as exact_discount,
    {{ from_minor('discount', 'minor_units') }} as discount,
    discount::numeric(38, 0) as units
from applied
where step > 0 and (exact_discount <> 0 or discount <> 0)
