with

charge_lines as (

    select
        invoice_line_id,
        invoice_id,
        kind,
        charge_id,
        part_number,
        position,
        dimension_id,
        period_start,
        period_end,
        description
    from {{ ref('int_charge_lines') }}

),

steps as (

    select
        invoice_line_id,
        discount_number,
        percent,
        discounted_days,
        line_days,
        full_amount,
        service_days,
        service_full_days
    from {{ ref('int_discount_steps') }}

),

amounts as (

    select
        invoice_line_id,
        discount_number,
        exact_base,
        exact_discount,
        discount
    from {{ ref('int_discount_amounts') }}

),

lines as (

    select
        charge_lines.invoice_line_id as charge_line_id,
        charge_lines.invoice_id,
        charge_lines.charge_id,
        charge_lines.part_number,
        charge_lines.position,
        charge_lines.dimension_id,
        charge_lines.period_start,
        charge_lines.period_end,
        charge_lines.description,
        -- What tells the lines of an invoice apart: charge, part, and group where there are any.
        substr(
            charge_lines.invoice_line_id,
            length(charge_lines.invoice_id || '/' || charge_lines.kind || '/') + 1
        ) as line_name,
        steps.discount_number,
        amounts.exact_discount,
        amounts.discount,
        trim_scale(coalesce(steps.percent, steps.full_amount))
        || case when steps.percent is null then '' else ' %' end as discount_name,
        case
            when steps.percent is null
                then jsonb_build_object(
                    'amount', steps.full_amount,
                    'base', amounts.exact_base,
                    'discounted_days', steps.service_days,
                    'full_period_days', steps.service_full_days
                )
            else jsonb_build_object(
                'percent', steps.percent,
                'base', amounts.exact_base,
                'discounted_days', steps.discounted_days,
                'line_days', steps.line_days
            )
        end as explanation
    from amounts
    inner join steps
        on
            amounts.invoice_line_id = steps.invoice_line_id
            and amounts.discount_number = steps.discount_number
    inner join charge_lines
        on amounts.invoice_line_id = charge_lines.invoice_line_id

)

select
    (invoice_id || '/discount/' || line_name || '/' || discount_number)::text as invoice_line_id,
    invoice_id::text as invoice_id,
    charge_line_id::text as charge_line_id,
    'discount'::text as kind,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    position::integer as position,
    dimension_id::text as dimension_id,
    discount_number::text as reference_id,
    period_start::date as period_start,
    period_end::date as period_end,
    null::numeric(38, 9) as quantity,
    null::numeric(38, 9) as billable_quantity,
    (-exact_discount)::numeric(38, 12) as exact_amount,
    (-discount)::numeric(20, 3) as amount,
    ('Discount ' || discount_name || ' on ' || description)::text as description,
    explanation::jsonb as explanation
from lines
