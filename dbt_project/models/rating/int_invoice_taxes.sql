with

drafts as (

    select
        invoice_id,
        catalog_version,
        customer_id,
        period_end
    from {{ ref('int_draft_invoices') }}

),

customers as (

    select
        catalog_version,
        customer_id,
        tax_exempt
    from {{ source('catalog', 'customers') }}
    where not is_taxed_by_stripe

),

invoices as (

    select
        drafts.invoice_id,
        drafts.catalog_version,
        drafts.customer_id,
        drafts.period_end,
        customers.tax_exempt
    from drafts
    inner join customers
        on
            drafts.catalog_version = customers.catalog_version
            and drafts.customer_id = customers.customer_id

),

customer_taxes as (

    select
        catalog_version,
        customer_id,
        tax_id,
        position
    from {{ source('catalog', 'customer_taxes') }}

),

rates as (

    select
        catalog_version,
        tax_id,
        rate_number,
        name,
        percent,
        valid_from,
        valid_to,
        is_inclusive,
        scope
    from {{ source('catalog', 'tax_rates') }}

),

line_taxes as (

    select
        invoice_id,
        tax_id,
        min(position) as position
    from {{ ref('int_off_cycle_taxes') }}
    group by invoice_id, tax_id

),

-- Those of the customer, then those that lines of the invoice name beyond them.
invoice_taxes as (

    select
        invoices.invoice_id,
        customer_taxes.tax_id,
        customer_taxes.position,
        true as is_of_customer
    from invoices
    inner join customer_taxes
        on
            invoices.catalog_version = customer_taxes.catalog_version
            and invoices.customer_id = customer_taxes.customer_id

    union all

    select
        line_taxes.invoice_id,
        line_taxes.tax_id,
        1000 + line_taxes.position as position,
        false as is_of_customer
    from line_taxes
    inner join invoices
        on line_taxes.invoice_id = invoices.invoice_id
    where
        not exists (
            select customer_taxes.tax_id
            from customer_taxes
            where
                customer_taxes.catalog_version = invoices.catalog_version
                and customer_taxes.customer_id = invoices.customer_id
                and customer_taxes.tax_id = line_taxes.tax_id
        )

),

-- The last day of the period decides on the rate.
named_taxes as (

    select
        invoices.invoice_id,
        invoices.catalog_version,
        rates.tax_id,
        rates.rate_number,
        invoice_taxes.position,
        invoice_taxes.is_of_customer,
        rates.name as tax_name,
        invoices.tax_exempt,
        case when invoices.tax_exempt = 'none' then rates.percent else 0 end as percent,
        rates.is_inclusive,
        rates.scope
    from invoices
    inner join invoice_taxes
        on invoices.invoice_id = invoice_taxes.invoice_id
    inner join rates
        on
            invoices.catalog_version = rates.catalog_version
            and invoice_taxes.tax_id = rates.tax_id
            and (rates.valid_from is null or invoices.period_end > rates.valid_from)
            and (rates.valid_to is null or invoices.period_end <= rates.valid_to)

),

-- Also where no tax has a name the invoice must say that the customer owes it.
taxes as (

    select *
    from named_taxes

    union all

    select
        invoice_id,
        catalog_version,
        'reverse' as tax_id,
        0 as rate_number,
        0 as position,
        true as is_of_customer,
        'Tax' as tax_name,
        tax_exempt,
        0 as percent,
        false as is_inclusive,
        'all' as scope
    from invoices
    where
        tax_exempt = 'reverse'
        and not exists (
            select named_taxes.invoice_id
            from named_taxes
            where named_taxes.invoice_id = invoices.invoice_id
        )

)

select
    invoice_id::text as invoice_id,
    catalog_version::text as catalog_version,
    tax_id::text as tax_id,
    rate_number::integer as rate_number,
    position::integer as position,
    is_of_customer::boolean as is_of_customer,
    tax_name::text as tax_name,
    tax_exempt::text as tax_exempt,
    percent::numeric(9, 6) as percent,
    is_inclusive::boolean as is_inclusive,
    scope::text as scope
from taxes
