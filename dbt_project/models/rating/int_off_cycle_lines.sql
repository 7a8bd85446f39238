with

parameters as (

    select catalog_version
    from {{ source('ops', 'parameters') }}

),

invoices as (

    select
        invoice_id,
        invoice_key,
        minor_units
    from {{ ref('int_off_cycle_invoices') }}

),

manual_lines as (

    select
        catalog_version,
        customer_id,
        manual_invoice_id,
        line_number,
        description,
        period_start,
        period_end,
        amount,
        quantity,
        unit_amount,
        has_own_taxes
    from {{ source('catalog', 'manual_lines') }}

),

top_ups as (

    select
        invoice_key,
        wallet_id,
        grant_id,
        issued_on,
        amount,
        'Top-up of ' || wallet_id as description,
        jsonb_build_object('amount', amount) as explanation
    from {{ ref('int_top_ups') }}

    union all

    select
        invoice_key,
        wallet_id,
        grant_id,
        issued_on,
        amount,
        'Automatic top-up of ' || wallet_id as description,
        explanation
    from {{ ref('int_automatic_top_ups') }}

),

named as (

    select
        manual_lines.customer_id || ':manual:' || manual_lines.manual_invoice_id as invoice_key,
        manual_lines.line_number::text as line_name,
        'manual' as kind,
        manual_lines.line_number as position,
        null as reference_id,
        manual_lines.period_start,
        manual_lines.period_end,
        manual_lines.quantity,
        coalesce(manual_lines.amount, manual_lines.quantity * manual_lines.unit_amount)
            as exact_amount,
        manual_lines.has_own_taxes,
        manual_lines.description,
        jsonb_strip_nulls(
            jsonb_build_object(
                'quantity', trim_scale(manual_lines.quantity),
                'unit_amount', trim_scale(manual_lines.unit_amount)
            )
        ) as explanation
    from manual_lines
    inner join parameters
        on manual_lines.catalog_version = parameters.catalog_version

    union all

    select
        invoice_key,
        wallet_id as line_name,
        'top_up' as kind,
        1 as position,
        grant_id as reference_id,
        issued_on as period_start,
        issued_on + 1 as period_end,
        null::numeric as quantity,
        amount as exact_amount,
        false as has_own_taxes,
        description,
        explanation
    from top_ups

)

select
    (invoices.invoice_id || '/' || named.kind || '/' || named.line_name)::text as invoice_line_id,
    invoices.invoice_id::text as invoice_id,
    named.kind::text as kind,
    named.line_name::text as line_name,
    named.position::integer as position,
    named.reference_id::text as reference_id,
    named.period_start::date as period_start,
    named.period_end::date as period_end,
    named.quantity::numeric(38, 9) as quantity,
    named.exact_amount::numeric(38, 12) as exact_amount,
    {{ round_to_currency('named.exact_amount', 'invoices.minor_units') }} as amount,
    named.has_own_taxes::boolean as has_own_taxes,
    named.description::text as description,
    named.explanation::jsonb as explanation
from named
inner join invoices
    on named.invoice_key = invoices.invoice_key
