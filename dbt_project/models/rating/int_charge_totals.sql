with

lines as (

    select
        invoice_line_id,
        contract_id,
        service_start,
        charge_id,
        amount
    from {{ ref('int_line_periods') }}

),

discounts as (

    select
        charge_line_id,
        sum(amount) as amount
    from {{ ref('int_discount_lines') }}
    group by charge_line_id

),

totals as (

    select
        lines.contract_id,
        lines.service_start,
        lines.charge_id,
        sum(lines.amount + coalesce(discounts.amount, 0)) as amount
    from lines
    left join discounts
        on lines.invoice_line_id = discounts.charge_line_id
    group by lines.contract_id, lines.service_start, lines.charge_id

)

select
    contract_id::text as contract_id,
    service_start::date as service_start,
    charge_id::text as charge_id,
    amount::numeric(20, 3) as amount
from totals
