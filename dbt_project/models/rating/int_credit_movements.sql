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

)

select
    invoice_line_id::text as invoice_line_id,
    invoice_id::text as invoice_id,
    contract_id::text as contract_id,
    customer_id::text as customer_id,
    currency::text as currency,
    grant_id::text as grant_id,
    amount::numeric(20, 3) as amount,
    moved_at::timestamptz as moved_at,
    is_void::boolean as is_void,
    is_final::boolean as is_final
from movements
