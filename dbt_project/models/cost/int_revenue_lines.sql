with

lines as (

    select
        invoice_line_id,
        invoice_id,
        line_number,
        kind,
        for_customer_id as customer_id,
        contract_id,
        plan_id,
        charge_id,
        dimension_id,
        reference_id,
        period_start,
        period_end,
        amount,
        tax_included,
        currency,
        catalog_version,
        is_final
    from {{ ref('fct_invoice_lines') }}

),

invoices as (

    select
        invoice_id,
        status
    from {{ ref('fct_invoices') }}

),

credits as (

    select
        catalog_version,
        contract_id,
        credit_id,
        is_paid
    from {{ source('catalog', 'credit_grants') }}

),

grants as (

    select
        contract_id,
        grant_id,
        is_paid
    from {{ ref('int_credit_grants') }}

),

-- Tax is the state's, also where a price contains it. A credit that was paid for, or carried over
-- from another invoice, is a means of payment: what it pays for was earned, and buying it earns
-- nothing. A promotional credit is a discount.
revenue_lines as (

    select
        lines.invoice_line_id,
        lines.invoice_id,
        lines.line_number,
        lines.kind,
        lines.customer_id,
        lines.contract_id,
        lines.plan_id,
        lines.charge_id,
        lines.dimension_id,
        lines.period_start,
        lines.period_end,
        lines.amount - lines.tax_included as revenue,
        lines.currency,
        lines.is_final
    from lines
    inner join invoices
        on lines.invoice_id = invoices.invoice_id
    left join credits
        on
            lines.kind = 'credit'
            and lines.catalog_version = credits.catalog_version
            and lines.contract_id = credits.contract_id
            and lines.reference_id = credits.credit_id
    left join grants
        on
            lines.kind = 'credit'
            and lines.contract_id = grants.contract_id
            and lines.reference_id = grants.grant_id
    where
        lines.kind not in ('tax', 'top_up')
        and not coalesce(credits.is_paid, grants.is_paid, false)
        and (lines.kind <> 'credit' or lines.reference_id is distinct from 'carried')
        and invoices.status <> 'void'

)

select
    invoice_line_id::text as invoice_line_id,
    invoice_id::text as invoice_id,
    line_number::integer as line_number,
    kind::text as kind,
    customer_id::text as customer_id,
    contract_id::text as contract_id,
    plan_id::text as plan_id,
    charge_id::text as charge_id,
    dimension_id::text as dimension_id,
    period_start::date as period_start,
    period_end::date as period_end,
    date_trunc('month', period_start::timestamp)::date as revenue_month,
    revenue::numeric(38, 12) as revenue,
    currency::text as currency,
    is_final::boolean as is_final
from revenue_lines
