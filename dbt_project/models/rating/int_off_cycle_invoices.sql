with

parameters as (

    select
        as_of,
        catalog_version
    from {{ source('ops', 'parameters') }}

),

manual_invoices as (

    select
        catalog_version,
        customer_id,
        manual_invoice_id,
        issued_on
    from {{ source('catalog', 'manual_invoices') }}

),

customers as (

    select
        catalog_version,
        customer_id,
        billed_customer_id,
        currency,
        minor_units,
        timezone
    from {{ source('catalog', 'customers') }}

),

top_ups as (

    select
        invoice_key,
        customer_id,
        contract_id,
        plan_id,
        issued_on
    from {{ ref('int_top_ups') }}

    union all

    select
        invoice_key,
        customer_id,
        contract_id,
        plan_id,
        issued_on
    from {{ ref('int_automatic_top_ups') }}

),

closed_invoices as (

    select
        invoice_key,
        count(*) as number_of_invoices,
        bool_and(is_void) as are_void
    from {{ ref('int_closed_invoices') }}
    group by invoice_key

),

-- What is to be invoiced, whether it has been or not. A key says the same thing for ever.
named as (

    select
        manual_invoices.customer_id || ':manual:' || manual_invoices.manual_invoice_id
            as invoice_key,
        'manual' as kind,
        manual_invoices.customer_id,
        null as contract_id,
        null as plan_id,
        manual_invoices.issued_on
    from manual_invoices
    inner join parameters
        on manual_invoices.catalog_version = parameters.catalog_version

    union all

    select
        invoice_key,
        'top_up' as kind,
        customer_id,
        contract_id,
        plan_id,
        issued_on
    from top_ups

),

-- It is a draft as soon as its day has begun; one whose invoices were all voided is so again.
drafts as (

    select
        named.*,
        customers.billed_customer_id,
        customers.catalog_version,
        customers.currency,
        customers.minor_units,
        customers.timezone,
        1 + coalesce(closed_invoices.number_of_invoices, 0) as revision
    from named
    inner join parameters
        on true
    inner join customers
        on
            parameters.catalog_version = customers.catalog_version
            and named.customer_id = customers.customer_id
    left join closed_invoices
        on named.invoice_key = closed_invoices.invoice_key
    where
        coalesce(closed_invoices.are_void, true)
        and {{ start_of_day('named.issued_on', 'customers.timezone') }} < parameters.as_of

)

select
    (
        invoice_key
        || case
            when revision > 1 then ':' || revision
            else ''
        end
    )::text as invoice_id,
    invoice_key::text as invoice_key,
    kind::text as kind,
    revision::integer as revision,
    catalog_version::text as catalog_version,
    billed_customer_id::text as customer_id,
    customer_id::text as for_customer_id,
    contract_id::text as contract_id,
    plan_id::text as plan_id,
    currency::text as currency,
    minor_units::integer as minor_units,
    issued_on::date as period_start,
    (issued_on + 1)::date as period_end,
    {{ start_of_day('issued_on', 'timezone') }}::timestamptz as period_start_at,
    {{ start_of_day('issued_on + 1', 'timezone') }}::timestamptz as period_end_at
from drafts
