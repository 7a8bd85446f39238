with

periods as (

    select
        invoice_id,
        contract_id,
        customer_id,
        currency,
        period_end_at
    from {{ ref('int_contract_invoices') }}
    where not is_closed

),

closed_invoices as (

    select
        invoice_id,
        invoice_sequence,
        contract_id,
        customer_id,
        currency,
        period_end_at,
        is_void
    from {{ ref('int_closed_invoices') }}

),

closed_lines as (

    select
        invoice_line_id,
        invoice_id,
        reference_id,
        amount
    from {{ source('billing', 'closed_lines') }}
    where kind = 'credit'

),

draft_lines as (

    select
        invoice_line_id,
        invoice_id,
        reference_id,
        amount
    from {{ ref('int_credit_lines') }}

),

parameters as (

    select as_of
    from {{ source('ops', 'parameters') }}

),

-- A draft of a period that has not ended has spent by now what it comes to.
movements as (

    select
        draft_lines.invoice_line_id,
        draft_lines.invoice_id,
        null as invoice_sequence,
        periods.contract_id,
        periods.customer_id,
        periods.currency,
        draft_lines.reference_id as grant_id,
        draft_lines.amount,
        least(periods.period_end_at, parameters.as_of) as moved_at,
        false as is_void,
        false as is_final
    from draft_lines
    inner join periods
        on draft_lines.invoice_id = periods.invoice_id
    cross join parameters

    union all

    select
        closed_lines.invoice_line_id,
        closed_lines.invoice_id,
        closed_invoices.invoice_sequence,
        closed_invoices.contract_id,
        closed_invoices.customer_id,
        closed_invoices.currency,
        closed_lines.reference_id as grant_id,
        closed_lines.amount,
        closed_invoices.period_end_at as moved_at,
        closed_invoices.is_void,
        true as is_final
    from closed_lines
    inner join closed_invoices
        on closed_lines.invoice_id = closed_invoices.invoice_id

),

-- An invoice that is made again may spend what one of a later period has carried on.
dated as (

    select
        movements.*,
        max(movements.moved_at) filter (
            where
            movements.grant_id = 'carried'
            and movements.amount > 0
            and movements.is_final
            and not movements.is_void
        ) over (
            partition by movements.contract_id, movements.currency
            order by movements.invoice_sequence nulls last
        ) as carried_at
    from movements

)

select
    invoice_line_id::text as invoice_line_id,
    invoice_id::text as invoice_id,
    contract_id::text as contract_id,
    customer_id::text as customer_id,
    currency::text as currency,
    grant_id::text as grant_id,
    amount::numeric(20, 3) as amount,
    (
        case
            when grant_id = 'carried' and amount < 0 then greatest(moved_at, carried_at)
            else moved_at
        end
    )::timestamptz as moved_at,
    is_void::boolean as is_void,
    is_final::boolean as is_final
from dated
