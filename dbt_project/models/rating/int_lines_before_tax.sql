with

drafts as (

    select invoice_id
    from {{ ref('int_draft_invoices') }}

),

-- What periods cost, then adjustments of earlier invoices, credits. Invoices outside of the periods
-- have lines of their own.
lines as (

    select
        invoice_line_id,
        invoice_id,
        kind,
        section,
        position,
        place,
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
    from {{ ref('int_rated_lines') }}

    union all

    select
        invoice_id || '/adjustment/' || adjusted_line_id as invoice_line_id,
        invoice_id,
        'adjustment' as kind,
        3 as section,
        0 as position,
        0 as place,
        charge_id,
        dimension_id,
        adjusted_line_id as reference_id,
        period_start,
        period_end,
        quantity,
        quantity as billable_quantity,
        amount as exact_amount,
        amount,
        description,
        explanation
    from {{ ref('int_adjustments') }}
    where invoice_id is not null

    union all

    select
        invoice_line_id,
        invoice_id,
        kind,
        4 as section,
        position,
        0 as place,
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
    from {{ ref('int_credit_lines') }}

    union all

    select
        invoice_line_id,
        invoice_id,
        kind,
        1 as section,
        position,
        0 as place,
        null as charge_id,
        null as dimension_id,
        reference_id,
        period_start,
        period_end,
        quantity,
        quantity as billable_quantity,
        exact_amount,
        amount,
        description,
        explanation
    from {{ ref('int_off_cycle_lines') }}

)

select
    lines.invoice_line_id::text as invoice_line_id,
    lines.invoice_id::text as invoice_id,
    lines.kind::text as kind,
    lines.section::integer as section,
    lines.position::integer as position,
    lines.place::integer as place,
    lines.charge_id::text as charge_id,
    lines.dimension_id::text as dimension_id,
    lines.reference_id::text as reference_id,
    lines.period_start::date as period_start,
    lines.period_end::date as period_end,
    lines.quantity::numeric(38, 9) as quantity,
    lines.billable_quantity::numeric(38, 9) as billable_quantity,
    lines.exact_amount::numeric(38, 12) as exact_amount,
    lines.amount::numeric(20, 3) as amount,
    lines.description::text as description,
    lines.explanation::jsonb as explanation
from lines
inner join drafts
    on lines.invoice_id = drafts.invoice_id
