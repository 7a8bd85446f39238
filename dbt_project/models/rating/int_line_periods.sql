with

lines as (

    select
        invoice_line_id,
        invoice_id,
        charge_id,
        part_number,
        period_start,
        period_end,
        exact_amount,
        amount
    from {{ ref('int_charge_lines') }}

),

periods as (

    select
        invoice_id,
        kind,
        contract_id,
        catalog_version,
        minor_units,
        period_start,
        period_end,
        full_period_days,
        next_period_start,
        next_period_end,
        next_full_period_days
    from {{ ref('int_contract_invoices') }}

),

-- What is paid in advance (part 0) is for the period that follows, which may not have begun.
lines_in_advance as (

    select
        lines.invoice_line_id,
        lines.invoice_id,
        lines.charge_id,
        true as is_advance,
        lines.period_start,
        lines.period_end,
        lines.exact_amount,
        lines.amount,
        billed_with.contract_id,
        billed_with.catalog_version,
        billed_with.minor_units,
        coalesce(following.period_start, billed_with.next_period_start) as service_start,
        coalesce(following.period_end, billed_with.next_period_end) as service_end,
        coalesce(following.full_period_days, billed_with.next_full_period_days) as service_full_days
    from lines
    inner join periods as billed_with
        on lines.invoice_id = billed_with.invoice_id
    left join periods as following
        on
            billed_with.contract_id = following.contract_id
            and following.kind = 'period'
            and lines.period_start >= following.period_start
            and lines.period_start < following.period_end
    where lines.part_number = 0

),

lines_of_the_period as (

    select
        lines.invoice_line_id,
        lines.invoice_id,
        lines.charge_id,
        false as is_advance,
        lines.period_start,
        lines.period_end,
        lines.exact_amount,
        lines.amount,
        periods.contract_id,
        periods.catalog_version,
        periods.minor_units,
        periods.period_start as service_start,
        periods.period_end as service_end,
        periods.full_period_days as service_full_days
    from lines
    inner join periods
        on lines.invoice_id = periods.invoice_id
    where lines.part_number <> 0

),

all_lines as (

    select *
    from lines_in_advance

    union all

    select *
    from lines_of_the_period

)

select
    invoice_line_id::text as invoice_line_id,
    invoice_id::text as invoice_id,
    contract_id::text as contract_id,
    catalog_version::text as catalog_version,
    charge_id::text as charge_id,
    minor_units::integer as minor_units,
    is_advance::boolean as is_advance,
    service_start::date as service_start,
    service_end::date as service_end,
    service_full_days::integer as service_full_days,
    period_start::date as period_start,
    period_end::date as period_end,
    exact_amount::numeric(38, 12) as exact_amount,
    amount::numeric(20, 3) as amount
from all_lines
