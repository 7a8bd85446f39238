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
        minor_units,
        period_start,
        period_end,
        is_closed
    from {{ ref('int_contract_invoices') }}

),

charges as (

    select
        invoice_id,
        charge_id,
        position,
        name,
        dimension_id,
        next_period_start,
        next_period_end
    from {{ ref('int_advance_prices') }}
    where model = 'seat'

),

levels as (

    select
        invoice_id,
        charge_id,
        seats,
        billable_seats
    from {{ ref('int_seat_levels') }}
    where part_number = 0

),

amounts as (

    select
        invoice_id,
        charge_id,
        sum(exact_amount) as exact_amount
    from {{ ref('int_price_slices') }}
    where part_number = 0
    group by invoice_id, charge_id

),

invoice_lines as (

    select
        invoice_line_id,
        amount
    from {{ source('billing', 'closed_lines') }}
    where kind = 'fee'

),

-- There may be nothing to count what an opening invoice bills by any more: its own period is one of
-- today's catalog, in which the charge may not be.
in_advance as (

    select
        charges.*,
        levels.seats,
        levels.billable_seats,
        periods.contract_id,
        amounts.exact_amount,
        -- As it is rated now, for the difference is adjusted; where it is not, as it was invoiced.
        case
            when parameters.late_usage = 'adjust' or not periods.is_closed
                then {{ round_to_currency('amounts.exact_amount', 'periods.minor_units') }}
            else coalesce(invoice_lines.amount, 0)
        end as paid_amount
    from charges
    cross join parameters
    inner join periods
        on charges.invoice_id = periods.invoice_id
    left join levels
        on
            charges.invoice_id = levels.invoice_id
            and charges.charge_id = levels.charge_id
    left join amounts
        on
            charges.invoice_id = amounts.invoice_id
            and charges.charge_id = amounts.charge_id
    left join invoice_lines
        on
            charges.invoice_id || '/fee/' || charges.charge_id || '/0'
            = invoice_lines.invoice_line_id

),

-- The seats of a period are rated as they were, and what was paid for them is taken off.
settled as (

    select
        periods.invoice_id,
        in_advance.charge_id,
        min(in_advance.position) as position,
        min(in_advance.name) as name,
        min(in_advance.dimension_id) as dimension_id,
        min(in_advance.next_period_start) as fee_start,
        max(in_advance.next_period_end) as fee_end,
        sum(in_advance.paid_amount) as paid_amount
    from in_advance
    inner join periods
        on
            in_advance.contract_id = periods.contract_id
            and periods.kind = 'period'
            and in_advance.next_period_start >= periods.period_start
            and in_advance.next_period_start < periods.period_end
    where in_advance.paid_amount is not null
    group by periods.invoice_id, in_advance.charge_id

),

fees as (

    select
        invoice_id,
        charge_id,
        0 as part_number,
        position,
        dimension_id,
        next_period_start as fee_start,
        next_period_end as fee_end,
        seats,
        billable_seats,
        exact_amount,
        name as description
    from in_advance
    where exact_amount is not null

    union all

    select
        invoice_id,
        charge_id,
        1 as part_number,
        position,
        dimension_id,
        fee_start,
        fee_end,
        null as seats,
        null as billable_seats,
        -paid_amount as exact_amount,
        name || ', paid in advance' as description
    from settled

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    position::integer as position,
    dimension_id::text as dimension_id,
    fee_start::date as fee_start,
    fee_end::date as fee_end,
    seats::numeric(38, 9) as seats,
    billable_seats::numeric(38, 9) as billable_seats,
    exact_amount::numeric(38, 12) as exact_amount,
    description::text as description
from fees
