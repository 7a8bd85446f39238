with

-- Each step counts on those before it. Within a charge, its lines come first (place 0), each with
-- its discounts (place 1), then what its minimum and maximum make of them (place 2).
lines as (

    select
        invoice_line_id,
        invoice_id,
        kind,
        1 as section,
        position,
        0 as place,
        charge_id,
        dimension_id,
        reference_id,
        period_start,
        period_end,
        quantity,
        billable_quantity,
        exact_amount,
        amount,
        description,
        explanation
    from {{ ref('int_charge_lines') }}

    union all

    select
        invoice_line_id,
        invoice_id,
        kind,
        1 as section,
        position,
        1 as place,
        charge_id,
        dimension_id,
        reference_id,
        period_start,
        period_end,
        null::numeric as quantity,
        null::numeric as billable_quantity,
        exact_amount,
        amount,
        description,
        explanation
    from {{ ref('int_discount_lines') }}

    union all

    select
        invoice_line_id,
        invoice_id,
        kind,
        1 as section,
        position,
        2 as place,
        charge_id,
        dimension_id,
        null as reference_id,
        period_start,
        period_end,
        null::numeric as quantity,
        null::numeric as billable_quantity,
        exact_amount,
        amount,
        description,
        explanation
    from {{ ref('int_charge_limits') }}

    union all

    select
        invoice_line_id,
        invoice_id,
        kind,
        2 as section,
        0 as position,
        0 as place,
        null as charge_id,
        null as dimension_id,
        null as reference_id,
        period_start,
        period_end,
        null::numeric as quantity,
        null::numeric as billable_quantity,
        exact_amount,
        amount,
        description,
        explanation
    from {{ ref('int_minimum_lines') }}

    union all

    select
        invoice_line_id,
        invoice_id,
        kind,
        2 as section,
        position,
        1 as place,
        null as charge_id,
        null as dimension_id,
        reference_id,
        period_start,
        period_end,
        null::numeric as quantity,
        null::numeric as billable_quantity,
        exact_amount,
        amount,
        description,
        explanation
    from {{ ref('int_commitment_lines') }}

    union all

    select
        invoice_line_id,
        invoice_id,
        kind,
        2 as section,
        position,
        2 as place,
        null as charge_id,
        null as dimension_id,
        reference_id,
        period_start,
        period_end,
        null::numeric as quantity,
        null::numeric as billable_quantity,
        exact_amount,
        amount,
        description,
        explanation
    from {{ ref('int_instalment_lines') }}

)

select
    invoice_line_id::text as invoice_line_id,
    invoice_id::text as invoice_id,
    kind::text as kind,
    section::integer as section,
    position::integer as position,
    place::integer as place,
    charge_id::text as charge_id,
    dimension_id::text as dimension_id,
    reference_id::text as reference_id,
    period_start::date as period_start,
    period_end::date as period_end,
    quantity::numeric(38, 9) as quantity,
    billable_quantity::numeric(38, 9) as billable_quantity,
    exact_amount::numeric(38, 12) as exact_amount,
    amount::numeric(20, 3) as amount,
    description::text as description,
    explanation::jsonb as explanation
from lines
