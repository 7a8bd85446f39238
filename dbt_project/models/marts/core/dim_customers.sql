with

customers as (

    select
        customer_id,
        name,
        stripe_customer,
        email,
        country,
        tax_id,
        tax_exempt,
        currency,
        timezone,
        tax_name,
        tax_percent
    from {{ ref('stg_catalog__customers') }}

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
    from {{ ref('stg_catalog__tenants') }}
    group by customer_id

)

select
    customers.customer_id::text as customer_id,
    customers.name::text as customer_name,
    coalesce(customers.stripe_customer, created_in_stripe.stripe_customer_id)::text
        as stripe_customer_id,
    customers.email::text as email,
    customers.country::text as country,
    customers.tax_id::text as tax_id,
    customers.tax_exempt::text as tax_exempt,
    customers.tax_name::text as tax_name,
    customers.tax_percent::numeric(9, 6) as tax_percent,
    customers.currency::text as currency,
    customers.timezone::text as timezone,
    coalesce(tenant_counts.tenant_count, 0)::bigint as tenant_count
from customers
left join created_in_stripe
    on customers.customer_id = created_in_stripe.customer_id
left join tenant_counts
    on customers.customer_id = tenant_counts.customer_id
