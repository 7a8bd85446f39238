with

of_contracts as (

    select
        invoice_id,
        contract_id || ':' || period_start
        || case when kind = 'opening' then ':opening' else '' end as invoice_key,
        kind,
        revision,
        catalog_version,
        billed_customer_id as customer_id,
        customer_id as for_customer_id,
        contract_id,
        plan_id,
        currency,
        minor_units,
        period_start,
        period_end,
        period_start_at,
        period_end_at
    from {{ ref('int_contract_invoices') }}
    where not is_closed

),

off_cycle as (

    select
        invoice_id,
        invoice_key,
        kind,
        revision,
        catalog_version,
        customer_id,
        for_customer_id,
        contract_id,
        plan_id,
        currency,
        minor_units,
        period_start,
        period_end,
        period_start_at,
        period_end_at
    from {{ ref('int_off_cycle_invoices') }}

),

drafts as (

    select *
    from of_contracts

    union all

    select *
    from off_cycle

)

select
    invoice_id::text as invoice_id,
    invoice_key::text as invoice_key,
    kind::text as kind,
    revision::integer as revision,
    catalog_version::text as catalog_version,
    customer_id::text as customer_id,
    for_customer_id::text as for_customer_id,
    contract_id::text as contract_id,
    plan_id::text as plan_id,
    currency::text as currency,
    minor_units::integer as minor_units,
    period_start::date as period_start,
    period_end::date as period_end,
    period_start_at::timestamptz as period_start_at,
    period_end_at::timestamptz as period_end_at
from drafts
