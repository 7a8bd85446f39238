with

periods as (

    select
        invoice_id,
        period_start,
        period_end
    from {{ ref('int_contract_periods') }}
    where not is_closed

),

subtotals as (

    select
        invoice_id,
        amount
    from {{ ref('int_subtotals') }}

),

draws as (

    select
        invoice_id,
        credit_id,
        grant_rank,
        period_start,
        period_end,
        remaining_before,
        amount
    from {{ ref('int_credit_draws') }}

),

spent as (

    select
        invoice_id,
        credit_id,
        grant_rank as position,
        period_start,
        period_end,
        -sum(amount) as amount,
        case
            when credit_id = 'carried' then 'Credit carried from an earlier invoice'
            else 'Credit ' || credit_id
        end as description,
        jsonb_build_object('remaining_before', max(remaining_before)) as explanation
    from draws
    group by invoice_id, credit_id, grant_rank, period_start, period_end

),

-- A negative invoice is brought to zero; what it owes the customer is carried on.
carried as (

    select
        periods.invoice_id,
        'carried' as credit_id,
        0 as position,
        periods.period_start,
        periods.period_end,
        -sum(subtotals.amount) as amount,
        'Credit carried to the next invoice' as description,
        jsonb_build_object('subtotal', sum(subtotals.amount)) as explanation
    from periods
    inner join subtotals
        on periods.invoice_id = subtotals.invoice_id
    group by periods.invoice_id, periods.period_start, periods.period_end
    having sum(subtotals.amount) < 0

),

lines as (

    select *
    from spent

    union all

    select *
    from carried

)

select
    (invoice_id || '/credit/' || credit_id)::text as invoice_line_id,
    invoice_id::text as invoice_id,
    'credit'::text as kind,
    position::integer as position,
    credit_id::text as reference_id,
    period_start::date as period_start,
    period_end::date as period_end,
    amount::numeric(38, 12) as exact_amount,
    amount::numeric(20, 3) as amount,
    description::text as description,
    explanation::jsonb as explanation
from lines
