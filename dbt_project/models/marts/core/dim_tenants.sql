with

tenants as (

    select
        tenant_id,
        customer_id
    from {{ source('catalog', 'tenants') }}
    where {{ is_current_version() }}

),

customers as (

    select
        customer_id,
        name
    from {{ source('catalog', 'customers') }}
    where {{ is_current_version() }}

),

usage_days as (

    select
        tenant_id,
        min(usage_date) as first_usage_date,
        max(usage_date) as last_usage_date
    from {{ ref('fct_usage_daily') }}
    group by tenant_id

),

cost_tenants as (

    select distinct tenant_id
    from {{ ref('int_cost_allocations') }}
    where tenant_id is not null

),

-- A tenant that nobody mapped is one all the same: it has usage, or cost.
known_tenants as (

    select tenant_id
    from tenants

    union distinct

    select tenant_id
    from usage_days

    union distinct

    select tenant_id
    from cost_tenants

)

select
    known_tenants.tenant_id::text as tenant_id,
    tenants.customer_id::text as customer_id,
    customers.name::text as customer_name,
    (tenants.tenant_id is not null)::boolean as is_mapped,
    usage_days.first_usage_date::date as first_usage_date,
    usage_days.last_usage_date::date as last_usage_date
from known_tenants
left join tenants
    on known_tenants.tenant_id = tenants.tenant_id
left join customers
    on tenants.customer_id = customers.customer_id
left join usage_days
    on known_tenants.tenant_id = usage_days.tenant_id
