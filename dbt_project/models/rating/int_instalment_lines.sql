with

due as (

    select
        invoice_id,
        contract_id,
        commitment_number,
        instalment_number,
        instalment_count,
        term_start,
        due_on,
        covered_until,
        amount,
        amount_until,
        prepayment_discount,
        minor_units,
        is_closed
    from {{ ref('int_due_instalments') }}

),

invoices as (

    select
        invoice_id,
        invoice_sequence,
        voided_at_sequence
    from {{ ref('int_closed_invoices') }}

),

invoice_lines as (

    select
        invoice_id,
        contract_id,
        period_start as due_on,
        amount
    from {{ source('billing', 'closed_lines') }}
    where kind = 'commitment' and invoice_line_id like '%/instalment/%'

),

-- What invoices before have billed for the term. A closed one was rated by what stood then.
invoiced_before as (

    select
        due.invoice_id,
        due.commitment_number,
        due.instalment_number,
        sum(invoice_lines.amount) as amount
    from due
    inner join invoice_lines
        on
            due.contract_id = invoice_lines.contract_id
            and due.term_start <= invoice_lines.due_on
            and due.due_on > invoice_lines.due_on
    inner join invoices
        on invoice_lines.invoice_id = invoices.invoice_id
    left join invoices as own
        on due.invoice_id = own.invoice_id
    where
        case
            when own.invoice_id is null then invoices.voided_at_sequence is null
            else
                invoices.invoice_sequence < own.invoice_sequence
                and coalesce(invoices.voided_at_sequence >= own.invoice_sequence, true)
        end
    group by due.invoice_id, due.commitment_number, due.instalment_number

),

standing as (

    select
        due.*,
        coalesce(invoiced_before.amount, 0) as invoiced_amount
    from due
    left join invoiced_before
        on
            due.invoice_id = invoiced_before.invoice_id
            and due.commitment_number = invoiced_before.commitment_number
            and due.instalment_number = invoiced_before.instalment_number

),

-- Beside what was invoiced, each instalment covers what it adds to the drafts before it: the most
-- that was due until one of them and not invoiced.
covered as (

    select
        standing.*,
        standing.invoiced_amount
        + greatest(
            max(standing.amount_until - standing.invoiced_amount) over (
                partition by
                    standing.contract_id,
                    standing.commitment_number,
                    case when standing.is_closed then standing.invoice_id end
                order by standing.due_on
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as covered_amount
    from standing

),

instalments as (

    select
        covered.*,
        'Instalment ' || covered.instalment_number || ' of ' || covered.instalment_count as name,
        greatest(covered.amount_until - covered.covered_amount, 0) as amount_due
    from covered

),

lines as (

    select
        instalments.*,
        instalments.invoice_id || '/commitment/' || instalments.commitment_number
        || '/instalment/' || instalments.instalment_number as invoice_line_id,
        instalments.amount_due as exact_amount,
        instalments.name || ' of the commitment' as description,
        jsonb_build_object(
            'instalment', instalments.instalment_number,
            'instalments', instalments.instalment_count,
            'due_on', instalments.due_on,
            'due_until_then', instalments.amount_until,
            'billed_before', instalments.covered_amount
        ) as explanation
    from instalments

    union all

    select
        instalments.*,
        instalments.invoice_id || '/commitment/' || instalments.commitment_number
        || '/prepayment_discount/' || instalments.instalment_number as invoice_line_id,
        -{{ divide('instalments.amount_due * instalments.prepayment_discount', '100') }}
            as exact_amount,
        'Discount ' || trim_scale(instalments.prepayment_discount) || ' % on '
        || lower(instalments.name) || ', paid in advance' as description,
        jsonb_build_object(
            'percent', instalments.prepayment_discount,
            'base', instalments.amount_due
        ) as explanation
    from instalments
    where instalments.prepayment_discount is not null

)

select
    invoice_line_id::text as invoice_line_id,
    invoice_id::text as invoice_id,
    'commitment'::text as kind,
    commitment_number::integer as position,
    commitment_number::text as reference_id,
    due_on::date as period_start,
    covered_until::date as period_end,
    exact_amount::numeric(38, 12) as exact_amount,
    {{ round_to_currency('exact_amount', 'minor_units') }} as amount,
    description::text as description,
    explanation::jsonb as explanation
from lines
where exact_amount <> 0
