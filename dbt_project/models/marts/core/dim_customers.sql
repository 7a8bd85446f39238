with

customers as (

    select
        customer_id,
        parent_id,
        billed_customer_id,
        name,
        stripe_customer,
        email,
        country,
        tax_id,
        tax_exempt,
        currency,
        timezone,
        is_taxed_by_stripe
    from {{ source('catalog', 'customers') }}
    where {{ is_current_version() }}

),

parameters as (

    select as_of
    from {{ source('ops', 'parameters') }}

),

customer_taxes as (

    select
        customer_id,
        tax_id,
        position
    from {{ source('catalog', 'customer_taxes') }}
    where {{ is_current_version() }}

),

tax_rates as (

    select
        tax_id,
        name,
        percent,
        valid_from,
        valid_to,
        scope
    from {{ source('catalog', 'tax_rates') }}
    where {{ is_current_version() }}

),

-- The rates that hold where the customer is, on the day of the run.
taxes as (

    select
        customers.customer_id,
        string_agg(tax_rates.name, ', ' order by customer_taxes.position) as tax_name,
        sum(tax_rates.percent) filter (
            where customers.tax_exempt = 'none' and tax_rates.scope <> 'only'
        ) as tax_percent
    from customers
    cross join parameters
    inner join customer_taxes
        on customers.customer_id = customer_taxes.customer_id
    inner join tax_rates
        on
            customer_taxes.tax_id = tax_rates.tax_id
            and coalesce(
                tax_rates.valid_from
                <= {{ local_date('parameters.as_of', 'customers.timezone') }},
                true
            )
            and coalesce(
                tax_rates.valid_to > {{ local_date('parameters.as_of', 'customers.timezone') }},
                true
            )
    where not customers.is_taxed_by_stripe
    group by customers.customer_id

),

created_in_stripe as (

    select
        customer_id,
        stripe_customer_id
    from {{ source('billing', 'stripe_customers') }}

),

tenant_counts as (

    select
        customer_id,
        count(*) as tenant_count
    from {{ source('catalog', 'tenants') }}
    where {{ is_current_version() }}
    group by customer_id

)

select
    customers.customer_id::text as customer_id,
    customers.parent_id::text as parent_id,
    customers.billed_customer_id::text as billed_customer_id,
    customers.name::text as customer_name,
    coalesce(customers.stripe_customer, created_in_stripe.stripe_customer_id)::text
        as stripe_customer_id,
    customers.email::text as email,
    customers.country::text as country,
    customers.tax_id::text as tax_id,
    customers.tax_exempt::text as tax_exempt,
    taxes.tax_name::text as tax_name,
    coalesce(taxes.tax_percent, 0)::numeric(9, 6) as tax_percent,
    customers.currency::text as currency,
    customers.timezone::text as timezone,
    coalesce(tenant_counts.tenant_count, 0)::bigint as tenant_count
from customers
left join taxes
    on customers.customer_id = taxes.customer_id
left join created_in_stripe
    on customers.customer_id = created_in_stripe.customer_id
left join tenant_counts
    on customers.customer_id = tenant_counts.customer_id
