with

periods as (

    select
        invoice_id,
        contract_id,
        minor_units,
        period_start,
        period_end,
        period_days,
        full_period_days,
        minimum_amount
    from {{ ref('int_contract_periods') }}

),

lines_before as (

    select
        invoice_id,
        part_number,
        period_start,
        amount
    from {{ ref('int_charge_lines') }}

    union all

    select
        invoice_id,
        part_number,
        period_start,
        amount
    from {{ ref('int_discount_lines') }}

),

-- A fee paid in advance (part 0) counts for the period it is for, not the one it is billed with.
counted as (

    select
        invoice_id,
        amount
    from lines_before
    where part_number <> 0

    union all

    select
        following.invoice_id,
        lines_before.amount
    from lines_before
    inner join periods as billed_with
        on lines_before.invoice_id = billed_with.invoice_id
    inner join periods as following
        on
            billed_with.contract_id = following.contract_id
            and lines_before.period_start >= following.period_start
            and lines_before.period_start < following.period_end
    where lines_before.part_number = 0

),

charged as (

    select
        invoice_id,
        sum(amount) as amount
    from counted
    group by invoice_id

),

-- A partial period owes its part of the minimum, by days. It is compared with the rounded lines,
-- so that the invoice comes to the minimum exactly.
due as (

    select
        periods.invoice_id,
        periods.period_start,
        periods.period_end,
        periods.period_days,
        periods.full_period_days,
        periods.minimum_amount,
        round(
            {{ divide(
                'periods.minimum_amount * periods.period_days', 'periods.full_period_days', 12
            ) }},
            periods.minor_units
        ) as minimum_due,
        coalesce(charged.amount, 0) as charged_amount
    from periods
    left join charged
        on periods.invoice_id = charged.invoice_id
    where periods.minimum_amount is not null

)

select
    (invoice_id || '/minimum')::text as invoice_line_id,
    invoice_id::text as invoice_id,
    'minimum'::text as kind,
    period_start::date as period_start,
    period_end::date as period_end,
    (minimum_due - charged_amount)::numeric(38, 12) as exact_amount,
    (minimum_due - charged_amount)::numeric(20, 3) as amount,
    'Minimum for the period'::text as description,
    jsonb_build_object(
        'minimum', minimum_amount,
        'billed_days', period_days,
        'full_period_days', full_period_days,
        'minimum_due', minimum_due,
        'charged', charged_amount
    ) as explanation
from due
where minimum_due > charged_amount
