with

parameters as (

    select late_usage
    from {{ source('ops', 'parameters') }}

),

periods as (

    select
        invoice_id,
        kind,
        contract_id,
        billed_customer_id,
        currency,
        period_start,
        is_closed
    from {{ ref('int_contract_invoices') }}

),

all_invoices as (

    select
        invoice_id,
        invoice_number,
        document_number,
        kind,
        contract_id,
        customer_id,
        currency,
        period_end,
        is_void
    from {{ ref('int_closed_invoices') }}

),

closed_periods as (

    select
        invoice_id,
        kind,
        contract_id,
        invoice_number,
        period_end
    from all_invoices
    where not is_void

),

contract_ends as (

    select
        contract_id,
        ended_on
    from {{ ref('int_contract_ends') }}

),

invoice_lines as (

    select
        invoice_line_id,
        invoice_id,
        kind,
        charge_id,
        dimension_id,
        reference_id,
        period_start,
        period_end,
        quantity,
        amount,
        description
    from {{ source('billing', 'closed_lines') }}

),

closed_lines as (

    select invoice_lines.*
    from invoice_lines
    inner join closed_periods
        on invoice_lines.invoice_id = closed_periods.invoice_id

),

rated_lines as (

    select
        invoice_line_id,
        invoice_id,
        charge_id,
        dimension_id,
        period_start,
        period_end,
        quantity,
        amount,
        description
    from {{ ref('int_rated_lines') }}

),

rated_again as (

    select rated_lines.*
    from rated_lines
    inner join closed_periods
        on rated_lines.invoice_id = closed_periods.invoice_id

),

invoiced as (

    select *
    from closed_lines
    where kind in ('usage', 'fee', 'discount', 'minimum', 'commitment')

),

-- What earlier invoices have already put right.
booked as (

    select
        reference_id as adjusted_line_id,
        left(reference_id, strpos(reference_id, '/') - 1) as adjusted_invoice_id,
        min(charge_id) as charge_id,
        min(dimension_id) as dimension_id,
        min(period_start) as period_start,
        min(period_end) as period_end,
        min(regexp_replace(description, ', adjusting invoice .*$', '')) as description,
        sum(amount) as amount,
        sum(quantity) as quantity
    from closed_lines
    where kind = 'adjustment'
    group by reference_id

),

-- What was paid in advance for days after the contract's end is no usage: it is given back whatever
-- becomes of late usage, and taken back should the contract go on. Seats are settled with the
-- period they are for, where there is one.
paid_in_advance as (

    select closed_lines.invoice_line_id
    from closed_lines
    inner join closed_periods
        on
            closed_lines.invoice_id = closed_periods.invoice_id
            and (
                closed_lines.period_start >= closed_periods.period_end
                or closed_periods.kind = 'opening'
            )
    left join contract_ends
        on closed_periods.contract_id = contract_ends.contract_id
    left join booked
        on closed_lines.invoice_line_id = booked.adjusted_line_id
    where
        closed_lines.kind in ('fee', 'discount')
        and (
            booked.adjusted_line_id is not null
            or case
                when closed_lines.dimension_id is null then closed_lines.period_end
                else closed_lines.period_start + 1
            end > contract_ends.ended_on
        )

),

-- Every line that was rated now, or invoiced, or adjusted: one that was booked by mistake may be in
-- neither of the first two.
line_ids as (

    select invoice_line_id as adjusted_line_id
    from rated_again

    union distinct

    select invoice_line_id as adjusted_line_id
    from invoiced

    union distinct

    select adjusted_line_id
    from booked

),

open_differences as (

    select
        line_ids.adjusted_line_id,
        coalesce(rated_again.invoice_id, invoiced.invoice_id, booked.adjusted_invoice_id)
            as adjusted_invoice_id,
        coalesce(rated_again.charge_id, invoiced.charge_id, booked.charge_id) as charge_id,
        coalesce(rated_again.dimension_id, invoiced.dimension_id, booked.dimension_id)
            as dimension_id,
        coalesce(rated_again.period_start, invoiced.period_start, booked.period_start)
            as period_start,
        coalesce(rated_again.period_end, invoiced.period_end, booked.period_end) as period_end,
        coalesce(rated_again.description, invoiced.description, booked.description)
            as description,
        coalesce(rated_again.quantity, 0)
        - coalesce(invoiced.quantity, 0)
        - coalesce(booked.quantity, 0) as quantity,
        coalesce(rated_again.amount, 0) as rated_amount,
        coalesce(invoiced.amount, 0) as invoiced_amount,
        coalesce(booked.amount, 0) as booked_amount,
        coalesce(rated_again.amount, 0)
        - coalesce(invoiced.amount, 0)
        - coalesce(booked.amount, 0) as amount
    from line_ids
    left join rated_again
        on line_ids.adjusted_line_id = rated_again.invoice_line_id
    left join invoiced
        on line_ids.adjusted_line_id = invoiced.invoice_line_id
    left join booked
        on line_ids.adjusted_line_id = booked.adjusted_line_id

),

open_periods as (

    select
        periods.*,
        coalesce(contract_ends.ended_on, 'infinity'::date) as ended_on
    from periods
    left join contract_ends
        on periods.contract_id = contract_ends.contract_id
    where not periods.is_closed

),

-- The contract's first open invoice, whoever pays it; of a contract that has ended, that of the
-- customer who paid. What is given back for days after its end goes to the one that goes on
-- longest: what is below zero is carried within a contract, and lost to one that has ended.
open_invoices as (

    select
        closed.invoice_id as adjusted_invoice_id,
        open_periods.invoice_id,
        open_periods.kind,
        open_periods.period_start,
        open_periods.ended_on,
        0 as distance
    from all_invoices as closed
    inner join open_periods
        on
            closed.contract_id = open_periods.contract_id
            and closed.currency = open_periods.currency

    union all

    select
        closed.invoice_id as adjusted_invoice_id,
        open_periods.invoice_id,
        open_periods.kind,
        open_periods.period_start,
        open_periods.ended_on,
        1 as distance
    from all_invoices as closed
    inner join open_periods
        on
            closed.customer_id = open_periods.billed_customer_id
            and closed.currency = open_periods.currency

),

candidates as (

    select
        adjusted_invoice_id,
        invoice_id,
        row_number() over (
            partition by adjusted_invoice_id
            order by distance, period_start, kind, invoice_id
        ) as preference,
        row_number() over (
            partition by adjusted_invoice_id
            order by ended_on desc, period_start asc, distance asc, kind asc, invoice_id asc
        ) as preference_of_unused
    from open_invoices

),

adjustments as (

    select
        open_differences.*,
        candidates.invoice_id,
        all_invoices.invoice_number,
        all_invoices.document_number
    from open_differences
    inner join all_invoices
        on open_differences.adjusted_invoice_id = all_invoices.invoice_id
    cross join parameters
    left join paid_in_advance
        on open_differences.adjusted_line_id = paid_in_advance.invoice_line_id
    left join candidates
        on
            open_differences.adjusted_invoice_id = candidates.adjusted_invoice_id
            and case
                when paid_in_advance.invoice_line_id is null then candidates.preference
                else candidates.preference_of_unused
            end = 1
    where
        open_differences.amount <> 0
        and (parameters.late_usage = 'adjust' or paid_in_advance.invoice_line_id is not null)

)

select
    adjusted_line_id::text as adjusted_line_id,
    adjusted_invoice_id::text as adjusted_invoice_id,
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    dimension_id::text as dimension_id,
    period_start::date as period_start,
    period_end::date as period_end,
    quantity::numeric(38, 9) as quantity,
    amount::numeric(20, 3) as amount,
    (description || ', adjusting invoice ' || document_number)::text as description,
    jsonb_build_object(
        'invoice', adjusted_invoice_id,
        'invoice_number', invoice_number,
        'line', adjusted_line_id,
        'rated_now', rated_amount,
        'invoiced', invoiced_amount,
        'adjusted_before', booked_amount
    ) as explanation
from adjustments
