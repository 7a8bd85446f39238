with

lines as (

    select
        invoice_id,
        charge_id,
        amount
    from {{ ref('int_rated_lines') }}

    union all

    select
        invoice_id,
        charge_id,
        amount
    from {{ ref('int_adjustments') }}
    where invoice_id is not null

),

subtotals as (

    select
        invoice_id,
        charge_id,
        sum(amount) as amount
    from lines
    group by invoice_id, charge_id

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    amount::numeric(20, 3) as amount
from subtotals
