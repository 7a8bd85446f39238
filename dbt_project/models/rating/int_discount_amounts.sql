with recursive

all_steps as (

    select
        invoice_line_id,
        invoice_id,
        contract_id,
        service_start,
        step,
        discount_id,
        discount_number,
        is_advance,
        minor_units,
        exact_amount,
        units,
        percent,
        discounted_days,
        line_days,
        units_due
    from {{ ref('int_discount_steps') }}

),

in_advance as (

    select
        invoice_line_id,
        discount_id,
        discount_number,
        is_amount,
        exact_base,
        exact_discount,
        discount,
        units
    from {{ ref('int_advance_discounts') }}

),

-- What is billed in advance takes of an amount first, since its invoice comes first.
taken as (

    select
        all_steps.contract_id,
        all_steps.service_start,
        in_advance.discount_id,
        sum(in_advance.units) as units
    from in_advance
    inner join all_steps
        on
            in_advance.invoice_line_id = all_steps.invoice_line_id
            and in_advance.discount_number = all_steps.discount_number
    where in_advance.is_amount
    group by all_steps.contract_id, all_steps.service_start, in_advance.discount_id

),

steps as (

    select
        all_steps.invoice_line_id,
        all_steps.invoice_id,
        all_steps.service_start,
        all_steps.step,
        all_steps.discount_id,
        all_steps.discount_number,
        all_steps.minor_units,
        all_steps.exact_amount,
        all_steps.units,
        all_steps.percent,
        all_steps.discounted_days,
        all_steps.line_days,
        all_steps.units_due - coalesce(taken.units, 0) as units_due
    from all_steps
    left join taken
        on
            all_steps.contract_id = taken.contract_id
            and all_steps.service_start = taken.service_start
            and all_steps.discount_id = taken.discount_id
    where not all_steps.is_advance

),

applied as (

    {{ discounts_in_order() }}

),

discounts as (

    select
        invoice_line_id,
        discount_number,
        exact_base,
        exact_discount,
        discount
    from in_advance

    union all

    select
        invoice_line_id,
        discount_number,
        exact_base,
        exact_discount,
        {{ from_minor('discount', 'minor_units') }} as discount
    from applied
    where step > 0 and (exact_discount <> 0 or discount <> 0)

)

select
    invoice_line_id::text as invoice_line_id,
    discount_number::integer as discount_number,
    exact_base::numeric(38, 12) as exact_base,
    exact_discount::numeric(38, 12) as exact_discount,
    discount::numeric(20, 3) as discount
from discounts
