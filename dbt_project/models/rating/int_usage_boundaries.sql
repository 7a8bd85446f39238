with

spans as (

    select
        tenant_id,
        dimension_id,
        span_start_at,
        span_end_at
    from {{ ref('int_metered_spans') }}

),

periods as (

    select
        customer_id,
        period_start_at,
        period_end_at
    from {{ ref('int_contract_periods') }}

),

-- Of every catalog: a tenant that comes back finds its usage cut where it was.
tenants as (

    select distinct
        tenant_id,
        customer_id
    from {{ source('catalog', 'tenants') }}

),

used as (

    select distinct
        tenant_id,
        dimension_id
    from {{ ref('fct_usage_monthly') }}

),

edges_of_periods as (

    select
        customer_id,
        period_start_at as boundary_at
    from periods

    union distinct

    select
        customer_id,
        period_end_at as boundary_at
    from periods

),

boundaries as (

    select
        tenant_id,
        dimension_id,
        span_start_at as boundary_at
    from spans

    union distinct

    select
        tenant_id,
        dimension_id,
        span_end_at as boundary_at
    from spans

    union distinct

    select
        used.tenant_id,
        used.dimension_id,
        edges_of_periods.boundary_at
    from used
    inner join tenants
        on used.tenant_id = tenants.tenant_id
    inner join edges_of_periods
        on tenants.customer_id = edges_of_periods.customer_id

)

select
    tenant_id::text as tenant_id,
    dimension_id::text as dimension_id,
    boundary_at::timestamptz as boundary_at
from boundaries
