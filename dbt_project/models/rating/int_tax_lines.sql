with

periods as (

    select
        invoice_id,
        catalog_version,
        customer_id,
        minor_units,
        period_start,
        period_end
    from {{ ref('int_contract_periods') }}
    where not is_closed

),

customers as (

    select
        catalog_version,
        customer_id,
        tax_rate_id,
        tax_name,
        tax_percent
    from {{ source('catalog', 'customers') }}
    where tax_percent <> 0

),

lines_before as (

    select
        invoice_id,
        amount
    from {{ ref('int_charge_lines') }}

    union all

    select
        invoice_id,
        amount
    from {{ ref('int_discount_lines') }}

    union all

    select
        invoice_id,
        amount
    from {{ ref('int_minimum_lines') }}

    union all

    select
        invoice_id,
        amount
    from {{ ref('int_adjustments') }}

    union all

    select
        invoice_id,
        amount
    from {{ ref('int_credit_lines') }}

),

taxable as (

    select
        periods.invoice_id,
        periods.minor_units,
        periods.period_start,
        periods.period_end,
        customers.tax_rate_id,
        customers.tax_name,
        customers.tax_percent,
        sum(lines_before.amount) as taxable_amount
    from periods
    inner join customers
        on
            periods.catalog_version = customers.catalog_version
            and periods.customer_id = customers.customer_id
    inner join lines_before
        on periods.invoice_id = lines_before.invoice_id
    group by
        periods.invoice_id,
        periods.minor_units,
        periods.period_start,
        periods.period_end,
        customers.tax_rate_id,
        customers.tax_name,
        customers.tax_percent

),

taxes as (

    select
        taxable.*,
        round(taxable.taxable_amount * taxable.tax_percent / 100, 12) as exact_amount
    from taxable

)

select
    (invoice_id || '/tax/' || tax_rate_id)::text as invoice_line_id,
    invoice_id::text as invoice_id,
    'tax'::text as kind,
    tax_rate_id::text as reference_id,
    period_start::date as period_start,
    period_end::date as period_end,
    exact_amount::numeric(38, 12) as exact_amount,
    {{ round_to_currency('exact_amount', 'minor_units') }} as amount,
    (tax_name || ' ' || trim_scale(tax_percent) || ' %')::text as description,
    jsonb_build_object('percent', tax_percent, 'base', taxable_amount) as explanation
from taxes
where exact_amount <> 0
