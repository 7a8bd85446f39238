with

openings as (

    select
        invoice_id,
        revision,
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
        period_end_at,
        full_period_days,
        next_period_start,
        next_period_end,
        next_full_period_days,
        is_closed,
        'opening' as kind
    from {{ ref('int_opening_invoices') }}

),

periods as (

    select
        invoice_id,
        revision,
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
        period_end_at,
        full_period_days,
        next_period_start,
        next_period_end,
        next_full_period_days,
        is_closed,
        'period' as kind
    from {{ ref('int_contract_periods') }}

),

invoices as (

    select *
    from openings

    union all

    select *
    from periods

)

select
    invoice_id::text as invoice_id,
    kind::text as kind,
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
    period_end::date as period_end,
    period_start_at::timestamptz as period_start_at,
    period_end_at::timestamptz as period_end_at,
    full_period_days::integer as full_period_days,
    next_period_start::date as next_period_start,
    next_period_end::date as next_period_end,
    next_full_period_days::integer as next_full_period_days,
    is_closed::boolean as is_closed
from invoices
