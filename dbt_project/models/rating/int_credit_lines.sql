with

periods as (

    select
        invoice_id,
        contract_id,
        period_start,
        period_end
    from {{ ref('int_contract_invoices') }}
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
        grant_id,
        grant_rank,
        remaining_before,
        amount
    from {{ ref('int_credit_draws') }}

),

grants as (

    select
        contract_id,
        grant_id,
        description
    from {{ ref('int_credit_grants') }}

),

drawn as (

    select
        invoice_id,
        grant_id,
        grant_rank as position,
        sum(amount) as amount,
        max(remaining_before) as remaining_before
    from draws
    group by invoice_id, grant_id, grant_rank

),

spent as (

    select
        drawn.invoice_id,
        drawn.grant_id,
        drawn.position,
        periods.period_start,
        periods.period_end,
        -drawn.amount as amount,
        coalesce(grants.description, 'Credit carried from an earlier invoice') as description,
        jsonb_build_object('remaining_before', drawn.remaining_before) as explanation
    from drawn
    inner join periods
        on drawn.invoice_id = periods.invoice_id
    left join grants
        on
            periods.contract_id = grants.contract_id
            and drawn.grant_id = grants.grant_id

),

-- A negative invoice is brought to zero; what it owes the customer is carried on.
carried as (

    select
        periods.invoice_id,
        'carried' as grant_id,
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
    (invoice_id || '/credit/' || grant_id)::text as invoice_line_id,
    invoice_id::text as invoice_id,
    'credit'::text as kind,
    position::integer as position,
    grant_id::text as reference_id,
    period_start::date as period_start,
    period_end::date as period_end,
    amount::numeric(38, 12) as exact_amount,
    amount::numeric(20, 3) as amount,
    description::text as description,
    explanation::jsonb as explanation
from lines
