with

parameters as (

    select catalog_version
    from {{ source('ops', 'parameters') }}

),

first_periods as (

    select
        catalog_version,
        contract_id,
        customer_id,
        billed_customer_id,
        plan_id,
        currency,
        minor_units,
        timezone,
        period_start,
        period_end,
        period_start_at,
        full_period_days
    from {{ ref('int_contract_calendar') }}
    where period_number = 1

),

contracts as (

    select
        catalog_version,
        contract_id,
        has_opening_invoice
    from {{ source('catalog', 'contracts') }}

),

invoices as (

    select
        contract_id,
        catalog_version,
        kind,
        invoice_sequence,
        voided_at_sequence,
        period_start,
        period_end,
        is_void
    from {{ ref('int_closed_invoices') }}
    where kind in ('opening', 'period')

),

contracts_invoiced as (

    select
        contract_id,
        bool_or(kind = 'opening' and not is_void) as is_opened,
        max(voided_at_sequence) filter (where kind = 'opening') as voided_at_sequence,
        min(invoice_sequence) filter (where kind = 'period' and not is_void) as period_sequence
    from invoices
    group by contract_id

),

revisions as (

    select
        contract_id,
        period_start,
        1 + count(*) as revision
    from invoices
    where kind = 'opening' and is_void
    group by contract_id, period_start

),

-- The invoice of a period bills what no opening invoice has billed. So it is late for one, unless
-- that invoice found one beside it which was voided since. Then it is for the days of that invoice.
open_invoices as (

    select
        first_periods.*,
        coalesce(invoices.period_end, first_periods.period_end) as billed_until,
        false as is_closed
    from first_periods
    inner join parameters
        on first_periods.catalog_version = parameters.catalog_version
    inner join contracts
        on
            first_periods.catalog_version = contracts.catalog_version
            and first_periods.contract_id = contracts.contract_id
    left join contracts_invoiced
        on first_periods.contract_id = contracts_invoiced.contract_id
    left join invoices
        on
            first_periods.contract_id = invoices.contract_id
            and first_periods.period_start = invoices.period_start
            and contracts_invoiced.period_sequence = invoices.invoice_sequence
    where
        not coalesce(contracts_invoiced.is_opened, false)
        and case
            when contracts_invoiced.period_sequence is null then contracts.has_opening_invoice
            else contracts_invoiced.voided_at_sequence >= contracts_invoiced.period_sequence
        end

),

rated_again as (

    select
        first_periods.*,
        first_periods.period_end as billed_until,
        true as is_closed
    from first_periods
    inner join invoices
        on
            first_periods.catalog_version = invoices.catalog_version
            and first_periods.contract_id = invoices.contract_id
    where invoices.kind = 'opening' and not invoices.is_void

),

openings as (

    select *
    from open_invoices

    union all

    select *
    from rated_again

),

revised as (

    select
        openings.*,
        coalesce(revisions.revision, 1) as revision
    from openings
    left join revisions
        on
            openings.contract_id = revisions.contract_id
            and openings.period_start = revisions.period_start

)

-- Of the contract's first day, with the first period as the one that follows.
select
    (
        contract_id || ':' || period_start || ':opening'
        || case
            when revision > 1 then ':' || revision
            else ''
        end
    )::text as invoice_id,
    revision::integer as revision,
    catalog_version::text as catalog_version,
    contract_id::text as contract_id,
    customer_id::text as customer_id,
    billed_customer_id::text as billed_customer_id,
    plan_id::text as plan_id,
    currency::text as currency,
    minor_units::integer as minor_units,
    timezone::text as timezone,
    period_start::date as period_start,
    (period_start + 1)::date as period_end,
    period_start_at::timestamptz as period_start_at,
    {{ start_of_day('period_start + 1', 'timezone') }}::timestamptz as period_end_at,
    full_period_days::integer as full_period_days,
    period_start::date as next_period_start,
    billed_until::date as next_period_end,
    full_period_days::integer as next_full_period_days,
    is_closed::boolean as is_closed
from revised
