with

periods as (

    select
        invoice_id,
        minor_units
    from {{ ref('int_contract_invoices') }}

),

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        catalog_version,
        position,
        name,
        dimension_id,
        price_id,
        part_start,
        part_end
    from {{ ref('int_charge_parts') }}

),

-- A matrix has a quantity of each group that it prices: the line is about all of them.
quantities as (

    select
        invoice_id,
        charge_id,
        part_number,
        sum(quantity) as quantity,
        sum(billable_quantity) as billable_quantity
    from {{ ref('int_charge_quantities') }}
    group by invoice_id, charge_id, part_number

),

priced as (

    select
        invoice_id,
        charge_id,
        part_number,
        sum(exact_amount) as exact_amount
    from {{ ref('int_price_slices') }}
    group by invoice_id, charge_id, part_number

),

fees as (

    select
        invoice_id,
        charge_id,
        part_number,
        position,
        name,
        fee_start,
        fee_end,
        full_amount,
        billed_days,
        full_period_days,
        exact_amount
    from {{ ref('int_fee_amounts') }}

),

seat_fees as (

    select
        invoice_id,
        charge_id,
        part_number,
        position,
        dimension_id,
        fee_start,
        fee_end,
        seats,
        billable_seats,
        exact_amount,
        description
    from {{ ref('int_seat_fees') }}

),

-- Most charges of most customers are unused, and nothing is told of them.
due as (

    select
        priced.invoice_id,
        priced.charge_id,
        priced.part_number,
        priced.exact_amount,
        quantities.quantity,
        quantities.billable_quantity
    from priced
    left join quantities
        on
            priced.invoice_id = quantities.invoice_id
            and priced.charge_id = quantities.charge_id
            and priced.part_number = quantities.part_number
    where
        priced.exact_amount <> 0
        or quantities.quantity <> 0

),

usage_lines as (

    select
        {{ usage_line_id('parts') }} as invoice_line_id,
        parts.invoice_id,
        'usage' as kind,
        parts.charge_id,
        parts.part_number,
        parts.position,
        parts.dimension_id,
        parts.part_start as period_start,
        parts.part_end as period_end,
        due.quantity,
        due.billable_quantity,
        due.exact_amount,
        parts.name as description,
        jsonb_build_object('price', parts.price_id) as explanation
    from parts
    inner join due
        on
            parts.invoice_id = due.invoice_id
            and parts.charge_id = due.charge_id
            and parts.part_number = due.part_number

),

fee_lines as (

    select
        fees.invoice_id || '/fee/' || fees.charge_id || '/' || fees.part_number
            as invoice_line_id,
        fees.invoice_id,
        'fee' as kind,
        fees.charge_id,
        fees.part_number,
        fees.position,
        null as dimension_id,
        fees.fee_start as period_start,
        fees.fee_end as period_end,
        null::numeric as quantity,
        null::numeric as billable_quantity,
        fees.exact_amount,
        fees.name as description,
        jsonb_build_object(
            'full_amount', fees.full_amount,
            'billed_days', fees.billed_days,
            'full_period_days', fees.full_period_days
        ) as explanation
    from fees
    where fees.exact_amount <> 0

),

seat_lines as (

    select
        -- Not by its part: a discount on it must not be named as that on the part's own seats.
        seat_fees.invoice_id || '/fee/' || seat_fees.charge_id || '/'
        || case when seat_fees.part_number = 0 then '0' else 'paid' end as invoice_line_id,
        seat_fees.invoice_id,
        'fee' as kind,
        seat_fees.charge_id,
        seat_fees.part_number,
        seat_fees.position,
        seat_fees.dimension_id,
        seat_fees.fee_start as period_start,
        seat_fees.fee_end as period_end,
        seat_fees.seats as quantity,
        seat_fees.billable_seats as billable_quantity,
        seat_fees.exact_amount,
        seat_fees.description,
        '{}'::jsonb as explanation
    from seat_fees
    where seat_fees.exact_amount <> 0

),

lines as (

    select *
    from usage_lines

    union all

    select *
    from fee_lines

    union all

    select *
    from seat_lines

)

select
    lines.invoice_line_id::text as invoice_line_id,
    lines.invoice_id::text as invoice_id,
    lines.kind::text as kind,
    lines.charge_id::text as charge_id,
    lines.part_number::integer as part_number,
    lines.position::integer as position,
    lines.dimension_id::text as dimension_id,
    null::text as reference_id,
    lines.period_start::date as period_start,
    lines.period_end::date as period_end,
    lines.quantity::numeric(38, 9) as quantity,
    lines.billable_quantity::numeric(38, 9) as billable_quantity,
    lines.exact_amount::numeric(38, 12) as exact_amount,
    {{ round_to_currency('lines.exact_amount', 'periods.minor_units') }} as amount,
    lines.description::text as description,
    lines.explanation::jsonb as explanation
from lines
inner join periods
    on lines.invoice_id = periods.invoice_id
