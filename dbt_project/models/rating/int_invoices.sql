with

periods as (

    select
        invoice_id,
        revision,
        customer_id,
        contract_id,
        plan_id,
        period_start,
        period_end,
        period_start_at,
        period_end_at,
        currency,
        minor_units,
        catalog_version
    from {{ ref('int_contract_periods') }}
    where not is_closed

),

totals as (

    select
        invoice_id,
        sum(amount) filter (where kind <> 'tax') as subtotal,
        sum(amount) filter (where kind = 'tax') as tax,
        sum(tax_included) as tax_included,
        sum(amount) as total
    from {{ ref('int_invoice_lines') }}
    group by invoice_id

)

select
    periods.invoice_id::text as invoice_id,
    periods.revision::integer as revision,
    periods.customer_id::text as customer_id,
    periods.contract_id::text as contract_id,
    periods.plan_id::text as plan_id,
    periods.period_start::date as period_start,
    periods.period_end::date as period_end,
    periods.period_start_at::timestamptz as period_start_at,
    periods.period_end_at::timestamptz as period_end_at,
    periods.currency::text as currency,
    periods.minor_units::integer as minor_units,
    coalesce(totals.subtotal, 0)::numeric(20, 3) as subtotal,
    coalesce(totals.tax, 0)::numeric(20, 3) as tax,
    coalesce(totals.tax_included, 0)::numeric(20, 3) as tax_included,
    coalesce(totals.total, 0)::numeric(20, 3) as total,
    coalesce(totals.total, 0)::numeric(20, 3) as amount_due,
    periods.catalog_version::text as catalog_version
from periods
left join totals
    on periods.invoice_id = totals.invoice_id
