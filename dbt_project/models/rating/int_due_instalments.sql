with

periods as (

    select
        invoice_id,
        contract_id,
        catalog_version,
        minor_units,
        period_start,
        next_period_start,
        is_closed
    from {{ ref('int_contract_invoices') }}

),

commitments as (

    select
        catalog_version,
        contract_id,
        commitment_number,
        valid_from,
        prepayment_discount
    from {{ source('catalog', 'contract_commitments') }}
    where is_prepaid

),

instalments as (

    select
        catalog_version,
        contract_id,
        commitment_number,
        instalment_number,
        due_on,
        covered_until,
        amount
    from {{ source('catalog', 'commitment_instalments') }}

),

planned as (

    select
        instalments.*,
        commitments.valid_from as term_start,
        commitments.prepayment_discount,
        count(*) over plan_of_term as instalment_count,
        sum(instalments.amount) over (
            plan_of_term
            order by instalments.due_on
        ) as amount_until
    from instalments
    inner join commitments
        on
            instalments.catalog_version = commitments.catalog_version
            and instalments.contract_id = commitments.contract_id
            and instalments.commitment_number = commitments.commitment_number
    window plan_of_term as (
        partition by
            instalments.catalog_version, instalments.contract_id, instalments.commitment_number
    )

),

-- As a fee in advance: with the invoice of the period before.
in_advance as (

    select
        periods.invoice_id,
        periods.is_closed,
        periods.minor_units,
        planned.*
    from periods
    inner join planned
        on
            periods.catalog_version = planned.catalog_version
            and periods.contract_id = planned.contract_id
            and periods.next_period_start = planned.due_on

),

-- With its own, where there is none before, or where the catalog did not know of it then.
with_its_period as (

    select
        periods.invoice_id,
        periods.is_closed,
        periods.minor_units,
        planned.*
    from periods
    inner join planned
        on
            periods.catalog_version = planned.catalog_version
            and periods.contract_id = planned.contract_id
            and periods.period_start = planned.due_on
    left join in_advance
        on
            planned.contract_id = in_advance.contract_id
            and planned.due_on = in_advance.due_on
    where in_advance.invoice_id is null

),

due as (

    select *
    from in_advance

    union all

    select *
    from with_its_period

)

select
    invoice_id::text as invoice_id,
    contract_id::text as contract_id,
    commitment_number::integer as commitment_number,
    instalment_number::integer as instalment_number,
    instalment_count::integer as instalment_count,
    term_start::date as term_start,
    due_on::date as due_on,
    covered_until::date as covered_until,
    amount::numeric(20, 3) as amount,
    amount_until::numeric(20, 3) as amount_until,
    prepayment_discount::numeric(9, 6) as prepayment_discount,
    minor_units::integer as minor_units,
    is_closed::boolean as is_closed
from due
