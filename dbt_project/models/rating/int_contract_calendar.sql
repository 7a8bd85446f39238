with

parameters as (

    select
        as_of,
        catalog_version
    from {{ source('ops', 'parameters') }}

),

closed_periods as (

    select catalog_version
    from {{ ref('int_closed_invoices') }}
    where not is_void and kind in ('opening', 'period')

),

contracts as (

    select
        catalog_version,
        contract_id,
        customer_id,
        plan_id,
        billing_start_date,
        end_date,
        anchor_day,
        minimum_amount
    from {{ source('catalog', 'contracts') }}

),

customers as (

    select
        catalog_version,
        customer_id,
        billed_customer_id,
        timezone
    from {{ source('catalog', 'customers') }}

),

plans as (

    select
        catalog_version,
        plan_id,
        interval,
        currency,
        minor_units
    from {{ source('catalog', 'plans') }}

),

-- An open period is rated with today's catalog, a closed one with the version it was priced with.
versions_in_use as (

    select catalog_version
    from parameters

    union distinct

    select catalog_version
    from closed_periods

),

terms as (

    select
        contracts.catalog_version,
        contracts.contract_id,
        contracts.customer_id,
        customers.billed_customer_id,
        contracts.plan_id,
        contracts.billing_start_date,
        contracts.end_date,
        contracts.anchor_day,
        contracts.minimum_amount,
        customers.timezone,
        plans.currency,
        plans.minor_units,
        {{ period_length('plans.interval') }},
        {{ local_date('parameters.as_of', 'customers.timezone') }} as today,
        parameters.as_of
    from contracts
    inner join versions_in_use
        on contracts.catalog_version = versions_in_use.catalog_version
    inner join customers
        on
            contracts.catalog_version = customers.catalog_version
            and contracts.customer_id = customers.customer_id
    inner join plans
        on
            contracts.catalog_version = plans.catalog_version
            and contracts.plan_id = plans.plan_id
    cross join parameters
    where contracts.billing_start_date <= {{ local_date('parameters.as_of', 'customers.timezone') }}

),

-- From one step before the start, so that a partial first period knows its full length, to two
-- steps past today, so that the last one knows the period that follows it.
boundaries as (

    select
        terms.*,
        {{ period_boundary('terms', 'step.step_number') }} as boundary
    from terms
    cross join lateral generate_series(
        -1,
        3 + coalesce(
            (terms.today - terms.billing_start_date) / terms.days_per_period,
            (terms.today - terms.billing_start_date) / (28 * terms.months_per_period)
        )
    ) as step (step_number)

),

spans as (

    select
        boundaries.*,
        lead(boundaries.boundary) over contract_steps as next_boundary,
        lead(boundaries.boundary, 2) over contract_steps as following_boundary
    from boundaries
    window contract_steps as (
        partition by boundaries.catalog_version, boundaries.contract_id
        order by boundaries.boundary
    )

),

periods as (

    select
        spans.*,
        greatest(spans.boundary, spans.billing_start_date) as period_start,
        least(spans.next_boundary, spans.end_date) as period_end,
        least(spans.following_boundary, spans.end_date) as next_period_end
    from spans
    where spans.following_boundary is not null

),

cuts as (

    select
        catalog_version,
        contract_id,
        cut_on
    from {{ source('catalog', 'contract_cuts') }}

),

-- A period is billed in parts where interim invoices cut it; it keeps its full length.
parts as (

    select
        periods.*,
        periods.period_start as part_start
    from periods
    where periods.period_start < periods.period_end

    union all

    select
        periods.*,
        cuts.cut_on as part_start
    from periods
    inner join cuts
        on
            periods.catalog_version = cuts.catalog_version
            and periods.contract_id = cuts.contract_id
            and periods.period_start < cuts.cut_on
            and periods.period_end > cuts.cut_on

),

cut_periods as (

    select
        parts.*,
        coalesce(
            lead(parts.part_start) over (
                partition by parts.catalog_version, parts.contract_id, parts.period_start
                order by parts.part_start
            ),
            parts.period_end
        ) as part_end
    from parts

),

started_periods as (

    select
        cut_periods.*,
        {{ start_of_day('cut_periods.part_start', 'cut_periods.timezone') }} as part_start_at,
        {{ start_of_day('cut_periods.part_end', 'cut_periods.timezone') }} as part_end_at
    from cut_periods
    where {{ start_of_day('cut_periods.part_start', 'cut_periods.timezone') }} < cut_periods.as_of

)

select
    catalog_version::text as catalog_version,
    contract_id::text as contract_id,
    customer_id::text as customer_id,
    billed_customer_id::text as billed_customer_id,
    plan_id::text as plan_id,
    currency::text as currency,
    minor_units::integer as minor_units,
    timezone::text as timezone,
    row_number() over (
        partition by catalog_version, contract_id
        order by part_start
    )::integer as period_number,
    part_start::date as period_start,
    part_end::date as period_end,
    part_start_at::timestamptz as period_start_at,
    part_end_at::timestamptz as period_end_at,
    (part_end - part_start)::integer as period_days,
    (next_boundary - boundary)::integer as full_period_days,
    case when next_boundary < next_period_end then next_boundary end::date as next_period_start,
    case when next_boundary < next_period_end then next_period_end end::date as next_period_end,
    (following_boundary - next_boundary)::integer as next_full_period_days,
    minimum_amount::numeric(20, 3) as minimum_amount
from started_periods
