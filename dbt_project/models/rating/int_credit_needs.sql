with

periods as (

    select
        invoice_id,
        kind,
        contract_id,
        period_start,
        period_end
    from {{ ref('int_contract_invoices') }}
    where not is_closed

),

subtotals as (

    select
        invoice_id,
        charge_id,
        amount
    from {{ ref('int_subtotals') }}

),

-- What is below zero pays for what is above, from the first on; what belongs to no charge is first.
running as (

    select
        periods.invoice_id,
        periods.kind,
        periods.contract_id,
        periods.period_start,
        periods.period_end,
        subtotals.charge_id,
        subtotals.amount,
        sum(greatest(subtotals.amount, 0)) over (
            partition by periods.invoice_id
            order by subtotals.charge_id nulls first
            rows between unbounded preceding and current row
        ) as amount_until,
        sum(least(subtotals.amount, 0)) over (partition by periods.invoice_id) as amount_below_zero
    from periods
    inner join subtotals
        on periods.invoice_id = subtotals.invoice_id

),

needs as (

    select
        running.*,
        least(running.amount, running.amount_until + running.amount_below_zero) as need
    from running

)

select
    invoice_id::text as invoice_id,
    contract_id::text as contract_id,
    period_start::date as period_start,
    period_end::date as period_end,
    row_number() over (
        partition by contract_id
        order by period_start, kind, charge_id nulls first
    )::integer as need_number,
    charge_id::text as charge_id,
    need::numeric(20, 3) as amount
from needs
where need > 0
