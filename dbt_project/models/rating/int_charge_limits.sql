with

periods as (

    select
        invoice_id,
        contract_id,
        catalog_version,
        plan_id,
        minor_units,
        period_start,
        period_end,
        period_days,
        full_period_days
    from {{ ref('int_contract_periods') }}

),

charges as (

    select
        catalog_version,
        plan_id,
        charge_id,
        position,
        name,
        dimension_id,
        minimum_amount,
        maximum_amount
    from {{ source('catalog', 'charges') }}
    where minimum_amount is not null or maximum_amount is not null

),

totals as (

    select
        contract_id,
        service_start,
        charge_id,
        amount
    from {{ ref('int_charge_totals') }}

),

-- A partial period has its part of both, by days. They are compared with the rounded lines, so that
-- the charge comes to them exactly.
bounds as (

    select
        periods.invoice_id,
        periods.period_start,
        periods.period_end,
        periods.period_days,
        periods.full_period_days,
        charges.charge_id,
        charges.position,
        charges.name,
        charges.dimension_id,
        charges.minimum_amount,
        charges.maximum_amount,
        {{ round_to_currency(
            divide('charges.minimum_amount * periods.period_days', 'periods.full_period_days'),
            'periods.minor_units'
        ) }} as minimum_due,
        {{ round_to_currency(
            divide('charges.maximum_amount * periods.period_days', 'periods.full_period_days'),
            'periods.minor_units'
        ) }} as maximum_due,
        coalesce(totals.amount, 0) as charged_amount
    from periods
    inner join charges
        on
            periods.catalog_version = charges.catalog_version
            and periods.plan_id = charges.plan_id
    left join totals
        on
            periods.contract_id = totals.contract_id
            and periods.period_start = totals.service_start
            and charges.charge_id = totals.charge_id

),

lines as (

    select
        bounds.invoice_id || '/minimum/' || bounds.charge_id as invoice_line_id,
        'minimum' as kind,
        bounds.minimum_due - bounds.charged_amount as amount,
        bounds.name || ': at least ' || trim_scale(bounds.minimum_due) as description,
        jsonb_build_object(
            'minimum', bounds.minimum_amount,
            'billed_days', bounds.period_days,
            'full_period_days', bounds.full_period_days,
            'minimum_due', bounds.minimum_due,
            'charged', bounds.charged_amount
        ) as explanation,
        bounds.*
    from bounds
    where bounds.minimum_due > bounds.charged_amount

    union all

    select
        bounds.invoice_id || '/discount/' || bounds.charge_id || '/maximum' as invoice_line_id,
        'discount' as kind,
        bounds.maximum_due - bounds.charged_amount as amount,
        bounds.name || ': at most ' || trim_scale(bounds.maximum_due) as description,
        jsonb_build_object(
            'maximum', bounds.maximum_amount,
            'billed_days', bounds.period_days,
            'full_period_days', bounds.full_period_days,
            'maximum_due', bounds.maximum_due,
            'charged', bounds.charged_amount
        ) as explanation,
        bounds.*
    from bounds
    where bounds.maximum_due < bounds.charged_amount

)

select
    invoice_line_id::text as invoice_line_id,
    invoice_id::text as invoice_id,
    kind::text as kind,
    charge_id::text as charge_id,
    position::integer as position,
    dimension_id::text as dimension_id,
    period_start::date as period_start,
    period_end::date as period_end,
    amount::numeric(38, 12) as exact_amount,
    amount::numeric(20, 3) as amount,
    description::text as description,
    explanation::jsonb as explanation
from lines
