with

periods as (

    select
        invoice_id,
        contract_id,
        period_start
    from {{ ref('int_contract_periods') }}

),

charges as (

    select
        contract_id,
        service_start,
        amount
    from {{ ref('int_charge_totals') }}

),

limits as (

    select
        invoice_id,
        amount
    from {{ ref('int_charge_limits') }}

),

amounts as (

    select
        periods.invoice_id,
        charges.amount
    from periods
    inner join charges
        on
            periods.contract_id = charges.contract_id
            and periods.period_start = charges.service_start

    union all

    select
        invoice_id,
        amount
    from limits

),

totals as (

    select
        invoice_id,
        sum(amount) as amount
    from amounts
    group by invoice_id

)

select
    periods.invoice_id::text as invoice_id,
    coalesce(totals.amount, 0)::numeric(20, 3) as amount
from periods
left join totals
    on periods.invoice_id = totals.invoice_id
