with

parameters as (

    select catalog_version
    from {{ source('ops', 'parameters') }}

),

cells as (

    select
        tenant_id,
        dimension_id,
        usage_group,
        started_at,
        {{ usage_values() }}
    from {{ ref('int_usage_cells') }}

),

spans as (

    select
        tenant_id,
        dimension_id,
        month_start_at,
        usage_filter,
        span_start_at,
        span_end_at,
        status,
        reason,
        contract_id,
        invoice_id,
        charge_id,
        part_number
    from {{ ref('int_span_months') }}

),

periods as (

    select
        customer_id,
        period_start_at,
        period_end_at
    from {{ ref('int_contract_periods') }}

),

tenant_versions as (

    select
        catalog_version,
        tenant_id,
        contract_customer_id as customer_id
    from {{ source('catalog', 'tenants') }}

),

dimension_versions as (

    select
        catalog_version,
        dimension_id
    from {{ source('catalog', 'dimensions') }}

),

tenants as (

    select
        tenant_versions.tenant_id,
        tenant_versions.customer_id
    from tenant_versions
    inner join parameters
        on tenant_versions.catalog_version = parameters.catalog_version

),

dimensions as (

    select dimension_versions.dimension_id
    from dimension_versions
    inner join parameters
        on dimension_versions.catalog_version = parameters.catalog_version

),

-- No boundary of a span cuts a cell, so where it begins decides where it belongs.
assigned as (

    select
        cells.*,
        spans.status,
        spans.reason,
        spans.contract_id,
        spans.invoice_id,
        spans.charge_id,
        spans.part_number
    from cells
    left join spans
        on
            cells.tenant_id = spans.tenant_id
            and cells.dimension_id = spans.dimension_id
            and {{ utc_month('cells.started_at') }} = spans.month_start_at
            and cells.started_at >= spans.span_start_at
            and cells.started_at < spans.span_end_at
            and {{ meets_filter('cells.usage_group', 'spans.usage_filter') }}

),

-- What no span covers, though a contract of its customer runs.
in_periods as (

    select distinct
        assigned.tenant_id,
        assigned.started_at
    from assigned
    inner join tenants
        on assigned.tenant_id = tenants.tenant_id
    inner join periods
        on
            tenants.customer_id = periods.customer_id
            and assigned.started_at >= periods.period_start_at
            and assigned.started_at < periods.period_end_at
    where assigned.status is null

),

-- Why nobody is billed for what no span covers: the first thing that is missing.
explained as (

    select
        assigned.*,
        tenants.customer_id,
        case
            when assigned.status is not null then assigned.reason
            when tenants.tenant_id is null then 'unknown_tenant'
            when dimensions.dimension_id is null then 'unknown_dimension'
            when in_periods.tenant_id is not null then 'no_charge'
            else 'no_contract'
        end as explained_reason
    from assigned
    left join tenants
        on assigned.tenant_id = tenants.tenant_id
    left join dimensions
        on assigned.dimension_id = dimensions.dimension_id
    left join in_periods
        on
            assigned.tenant_id = in_periods.tenant_id
            and assigned.started_at = in_periods.started_at

),

pieces as (

    select
        tenant_id,
        dimension_id,
        usage_group,
        {{ utc_month('started_at') }} as month_start_at,
        coalesce(status, 'unassigned') as status,
        explained_reason as reason,
        customer_id,
        contract_id,
        invoice_id,
        charge_id,
        part_number,
        {{ usage_values_of_cells() }}
    from explained
    group by
        tenant_id,
        dimension_id,
        usage_group,
        {{ utc_month('started_at') }},
        status,
        explained_reason,
        customer_id,
        contract_id,
        invoice_id,
        charge_id,
        part_number

)

select
    tenant_id::text as tenant_id,
    dimension_id::text as dimension_id,
    usage_group::jsonb as usage_group,
    (month_start_at at time zone 'UTC')::date as usage_month,
    status::text as status,
    reason::text as reason,
    customer_id::text as customer_id,
    contract_id::text as contract_id,
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    {{ typed_usage_values() }}
from pieces
