with

drafts as (

    select
        invoice_id,
        contract_id
    from {{ ref('int_draft_invoices') }}

),

lines_before_tax as (

    select
        invoice_line_id,
        invoice_id,
        charge_id,
        amount
    from {{ ref('int_lines_before_tax') }}

),

off_cycle_lines as (

    select invoice_line_id
    from {{ ref('int_off_cycle_lines') }}

),

-- A line outside of the periods is taxed on its own, as a charge is.
lines as (

    select
        lines_before_tax.invoice_line_id,
        lines_before_tax.invoice_id,
        coalesce(off_cycle_lines.invoice_line_id, lines_before_tax.charge_id) as charge_id,
        lines_before_tax.amount
    from lines_before_tax
    left join off_cycle_lines
        on lines_before_tax.invoice_line_id = off_cycle_lines.invoice_line_id

),

limited_grants as (

    select
        contract_id,
        grant_id
    from {{ ref('int_credit_grants') }}
    where is_limited

),

draws as (

    select
        invoice_id,
        charge_id,
        grant_id,
        amount
    from {{ ref('int_credit_draws') }}

),

-- A credit of some charges has paid those and no other; any other credit is of the whole invoice.
limited_draws as (

    select
        draws.invoice_id || '/credit/' || draws.grant_id as invoice_line_id,
        draws.invoice_id,
        draws.charge_id,
        -draws.amount as amount
    from draws
    inner join drafts
        on draws.invoice_id = drafts.invoice_id
    inner join limited_grants
        on
            drafts.contract_id = limited_grants.contract_id
            and draws.grant_id = limited_grants.grant_id

),

taxed_lines as (

    select *
    from lines
    where
        not exists (
            select limited_draws.invoice_line_id
            from limited_draws
            where limited_draws.invoice_line_id = lines.invoice_line_id
        )

    union all

    select *
    from limited_draws

)

select
    invoice_line_id::text as invoice_line_id,
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    amount::numeric(20, 3) as amount
from taxed_lines
