with

periods as (

    select
        invoice_id,
        contract_id,
        catalog_version,
        period_start,
        next_period_start
    from {{ ref('int_contract_periods') }}

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

numbered as (

    select
        instalments.*,
        count(*) over (
            partition by
                instalments.catalog_version,
                instalments.contract_id,
                instalments.commitment_number
        ) as instalment_count
    from instalments

),

-- As a fee in advance: with the invoice of the period before.
in_advance as (

    select
        periods.invoice_id,
        numbered.*
    from periods
    inner join numbered
        on
            periods.catalog_version = numbered.catalog_version
            and periods.contract_id = numbered.contract_id
            and periods.next_period_start = numbered.due_on

),

-- With its own, where there is none before, or where the catalog did not know of it then.
with_its_period as (

    select
        periods.invoice_id,
        numbered.*
    from periods
    inner join numbered
        on
            periods.catalog_version = numbered.catalog_version
            and periods.contract_id = numbered.contract_id
            and periods.period_start = numbered.due_on
    left join in_advance
        on
            numbered.contract_id = in_advance.contract_id
            and numbered.due_on = in_advance.due_on
    where in_advance.invoice_id is null

),

lines as (

    select *
    from in_advance

    union all

    select *
    from with_its_period

)

select
    (invoice_id || '/commitment/' || commitment_number || '/instalment/' || instalment_number)::text
        as invoice_line_id,
    invoice_id::text as invoice_id,
    'commitment'::text as kind,
    commitment_number::integer as position,
    commitment_number::text as reference_id,
    due_on::date as period_start,
    covered_until::date as period_end,
    amount::numeric(38, 12) as exact_amount,
    amount::numeric(20, 3) as amount,
    ('Instalment ' || instalment_number || ' of ' || instalment_count || ' of the commitment')::text
        as description,
    jsonb_build_object(
        'instalment', instalment_number,
        'instalments', instalment_count,
        'due_on', due_on
    ) as explanation
from lines
