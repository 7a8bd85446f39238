with

parameters as (

    select late_usage
    from {{ source('ops', 'parameters') }}

),

periods as (

    select
        invoice_id,
        contract_id,
        catalog_version,
        period_start,
        is_closed
    from {{ ref('int_contract_periods') }}

),

allowances as (

    select
        catalog_version,
        contract_id,
        charge_id,
        quantity,
        expires_on
    from {{ source('catalog', 'contract_trial_units') }}

),

quantities as (

    select
        invoice_id,
        charge_id,
        part_number,
        is_level,
        included_quantity,
        quantity_beyond
    from {{ ref('int_included_quantities') }}

),

closed_lines as (

    select
        invoice_id,
        charge_id,
        sum(quantity) as quantity
    from {{ source('billing', 'closed_lines') }}
    where kind = 'usage'
    group by invoice_id, charge_id

),

-- Whatever version of the catalog a period is rated with, it is one of the contract.
charges as (

    select distinct
        contract_id,
        charge_id
    from allowances

),

used as (

    select
        periods.contract_id,
        periods.catalog_version,
        periods.period_start,
        periods.is_closed,
        quantities.invoice_id,
        quantities.charge_id,
        quantities.included_quantity,
        sum(quantities.quantity_beyond) as quantity_beyond
    from charges
    inner join periods
        on charges.contract_id = periods.contract_id
    inner join quantities
        on
            periods.invoice_id = quantities.invoice_id
            and charges.charge_id = quantities.charge_id
    where not quantities.is_level
    group by
        periods.contract_id,
        periods.catalog_version,
        periods.period_start,
        periods.is_closed,
        quantities.invoice_id,
        quantities.charge_id,
        quantities.included_quantity

),

-- A closed period counts as it is rated now, for the difference is adjusted; where late usage is
-- ignored, as it was invoiced.
counted as (

    select
        used.*,
        case
            when parameters.late_usage = 'adjust' or not used.is_closed then used.quantity_beyond
            else
                {{ beyond('coalesce(closed_lines.quantity, 0)', 'used.included_quantity') }}
        end as counted_quantity
    from used
    cross join parameters
    left join closed_lines
        on
            used.invoice_id = closed_lines.invoice_id
            and used.charge_id = closed_lines.charge_id

),

periods_until as (

    select
        counted.*,
        sum(counted.counted_quantity) over (
            partition by counted.contract_id, counted.charge_id
            order by counted.period_start
            rows between unbounded preceding and current row
        ) - counted.counted_quantity as used_before
    from counted

),

parts_until as (

    select
        quantities.invoice_id,
        quantities.charge_id,
        quantities.part_number,
        quantities.quantity_beyond,
        allowances.quantity as allowance,
        periods_until.used_before
        + sum(quantities.quantity_beyond) over (
            partition by quantities.invoice_id, quantities.charge_id
            order by quantities.part_number
            rows between unbounded preceding and current row
        ) as used_until
    from periods_until
    inner join allowances
        on
            periods_until.catalog_version = allowances.catalog_version
            and periods_until.contract_id = allowances.contract_id
            and periods_until.charge_id = allowances.charge_id
            and (
                allowances.expires_on is null
                or periods_until.period_start < allowances.expires_on
            )
    inner join quantities
        on
            periods_until.invoice_id = quantities.invoice_id
            and periods_until.charge_id = quantities.charge_id

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    allowance::numeric(38, 9) as allowance,
    (used_until - quantity_beyond)::numeric(38, 9) as used_before,
    (
        {{ beyond('used_until', 'allowance') }}
        - {{ beyond('(used_until - quantity_beyond)', 'allowance') }}
    )::numeric(38, 9) as billable_quantity
from parts_until
