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
        minor_units,
        period_start,
        period_end,
        is_closed
    from {{ ref('int_contract_periods') }}

),

commitments as (

    select
        catalog_version,
        contract_id,
        commitment_number,
        amount,
        valid_from,
        valid_to,
        overage_factor,
        is_prepaid
    from {{ source('catalog', 'contract_commitments') }}

),

totals as (

    select
        invoice_id,
        amount
    from {{ ref('int_period_totals') }}

),

minimums as (

    select
        invoice_id,
        amount
    from {{ ref('int_minimum_lines') }}

),

invoices as (

    select invoice_id
    from {{ ref('int_closed_invoices') }}
    where not is_void

),

invoice_lines as (

    select
        invoice_id,
        contract_id,
        kind,
        charge_id,
        period_start,
        amount
    from {{ source('billing', 'closed_lines') }}
    where kind in ('usage', 'fee', 'discount', 'minimum')

),

invoiced as (

    select
        periods.invoice_id,
        sum(invoice_lines.amount) as amount,
        sum(invoice_lines.amount) filter (
            where invoice_lines.kind = 'minimum' and invoice_lines.charge_id is null
        ) as minimum_amount
    from invoice_lines
    inner join invoices
        on invoice_lines.invoice_id = invoices.invoice_id
    inner join periods
        on
            invoice_lines.contract_id = periods.contract_id
            and invoice_lines.period_start >= periods.period_start
            and invoice_lines.period_start < periods.period_end
    group by periods.invoice_id

),

-- A closed period counts as it is rated now, for the difference is adjusted, line by line; where
-- late usage is ignored, as it was invoiced.
counted as (

    select
        periods.contract_id,
        periods.period_start,
        case
            when parameters.late_usage = 'adjust' or not periods.is_closed then totals.amount
            else coalesce(invoiced.amount - coalesce(invoiced.minimum_amount, 0), 0)
        end as used_amount,
        case
            when parameters.late_usage = 'adjust' or not periods.is_closed then minimums.amount
            else invoiced.minimum_amount
        end as minimum_amount
    from periods
    cross join parameters
    inner join totals
        on periods.invoice_id = totals.invoice_id
    left join minimums
        on periods.invoice_id = minimums.invoice_id
    left join invoiced
        on periods.invoice_id = invoiced.invoice_id

),

-- A period belongs to the term in which it begins.
terms as (

    select
        periods.invoice_id,
        periods.contract_id,
        periods.minor_units,
        periods.period_start,
        periods.period_end,
        commitments.commitment_number,
        commitments.amount,
        commitments.overage_factor,
        commitments.is_prepaid,
        commitments.valid_from,
        periods.period_end >= commitments.valid_to as is_last
    from periods
    inner join commitments
        on
            periods.catalog_version = commitments.catalog_version
            and periods.contract_id = commitments.contract_id
            and periods.period_start >= commitments.valid_from
            and periods.period_start < commitments.valid_to

),

-- The term's periods so far, in order of time, whether closed or drafts.
drawn as (

    select
        terms.invoice_id,
        sum(counted.used_amount) filter (
            where counted.period_start < terms.period_start
        ) as used_before,
        sum(counted.used_amount) filter (
            where counted.period_start = terms.period_start
        ) as used_amount,
        sum(counted.minimum_amount) as minimum_amount
    from terms
    inner join counted
        on
            terms.contract_id = counted.contract_id
            and terms.valid_from <= counted.period_start
            and terms.period_start >= counted.period_start
    group by terms.invoice_id

)

select
    terms.invoice_id::text as invoice_id,
    terms.commitment_number::integer as commitment_number,
    terms.minor_units::integer as minor_units,
    terms.period_start::date as period_start,
    terms.period_end::date as period_end,
    terms.is_last::boolean as is_last,
    terms.is_prepaid::boolean as is_prepaid,
    terms.amount::numeric(20, 3) as commitment_amount,
    terms.overage_factor::numeric(38, 12) as overage_factor,
    coalesce(drawn.used_before, 0)::numeric(20, 3) as used_before,
    coalesce(drawn.used_amount, 0)::numeric(20, 3) as used_amount,
    coalesce(drawn.minimum_amount, 0)::numeric(20, 3) as minimum_amount
from terms
left join drawn
    on terms.invoice_id = drawn.invoice_id
