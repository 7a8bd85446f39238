with

periods as (

    select
        invoice_id,
        minor_units,
        period_start,
        period_end,
        period_days,
        full_period_days,
        minimum_amount
    from {{ ref('int_contract_periods') }}

),

totals as (

    select
        invoice_id,
        amount
    from {{ ref('int_period_totals') }}

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
        totals.amount as charged_amount
    from periods
    inner join totals
        on periods.invoice_id = totals.invoice_id
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
