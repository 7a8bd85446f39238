with

parameters as (

    select
        as_of,
        catalog_version
    from {{ source('ops', 'parameters') }}

),

tenants as (

    select
        catalog_version,
        tenant_id,
        contract_customer_id as customer_id
    from {{ source('catalog', 'tenants') }}

),

contracts as (

    select
        catalog_version,
        contract_id,
        customer_id,
        plan_id,
        start_date,
        billing_start_date,
        end_date
    from {{ source('catalog', 'contracts') }}

),

customers as (

    select
        catalog_version,
        customer_id,
        timezone
    from {{ source('catalog', 'customers') }}

),

charges as (

    select
        catalog_version,
        plan_id,
        charge_id,
        dimension_id,
        usage_filter
    from {{ source('catalog', 'charges') }}
    where dimension_id is not null

),

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        catalog_version,
        contract_id,
        customer_id,
        dimension_id,
        usage_filter,
        is_closed,
        part_start_at,
        part_end_at
    from {{ ref('int_charge_parts') }}
    where dimension_id is not null

),

-- A closed period keeps the tenants it had; one that nobody had mapped then may be billed now.
tenants_today as (

    select
        tenants.tenant_id,
        tenants.customer_id
    from tenants
    inner join parameters
        on tenants.catalog_version = parameters.catalog_version

),

billed_spans as (

    select
        tenants_today.tenant_id,
        parts.dimension_id,
        parts.usage_filter,
        parts.part_start_at as span_start_at,
        parts.part_end_at as span_end_at,
        'rated' as status,
        null as reason,
        parts.contract_id,
        parts.invoice_id,
        parts.charge_id,
        parts.part_number,
        parts.is_closed
    from parts
    inner join tenants_today
        on parts.customer_id = tenants_today.customer_id
    left join tenants as tenants_then
        on
            parts.catalog_version = tenants_then.catalog_version
            and tenants_today.tenant_id = tenants_then.tenant_id
    where
        tenants_then.customer_id is null
        or tenants_then.customer_id = parts.customer_id

    union all

    -- Tenants that have left the customer, or the catalog, since the period was closed.
    select
        tenants.tenant_id,
        parts.dimension_id,
        parts.usage_filter,
        parts.part_start_at as span_start_at,
        parts.part_end_at as span_end_at,
        'rated' as status,
        null as reason,
        parts.contract_id,
        parts.invoice_id,
        parts.charge_id,
        parts.part_number,
        parts.is_closed
    from parts
    inner join tenants
        on
            parts.catalog_version = tenants.catalog_version
            and parts.customer_id = tenants.customer_id
    left join tenants_today
        on
            tenants.tenant_id = tenants_today.tenant_id
            and tenants.customer_id = tenants_today.customer_id
    where tenants_today.tenant_id is null

),

trial_spans as (

    select
        tenants.tenant_id,
        charges.dimension_id,
        charges.usage_filter,
        {{ start_of_day('contracts.start_date', 'customers.timezone') }} as span_start_at,
        {{ start_of_day(
            'least(contracts.billing_start_date, contracts.end_date)', 'customers.timezone'
        ) }} as span_end_at,
        'excluded' as status,
        'trial' as reason,
        contracts.contract_id,
        null as invoice_id,
        charges.charge_id,
        null::integer as part_number,
        false as is_closed
    from contracts
    inner join parameters
        on contracts.catalog_version = parameters.catalog_version
    inner join customers
        on
            contracts.catalog_version = customers.catalog_version
            and contracts.customer_id = customers.customer_id
    inner join charges
        on
            contracts.catalog_version = charges.catalog_version
            and contracts.plan_id = charges.plan_id
    inner join tenants
        on
            contracts.catalog_version = tenants.catalog_version
            and contracts.customer_id = tenants.customer_id
    where contracts.start_date < contracts.billing_start_date

),

all_spans as (

    select *
    from billed_spans

    union all

    select *
    from trial_spans

),

sequences as (

    select
        invoice_id,
        invoice_sequence
    from {{ ref('int_closed_invoices') }}

),

-- What is invoiced stays with the invoice: where the catalog has moved a tenant, a contract or a
-- time zone since, a later span begins where those of earlier invoices end.
closed_until as (

    select
        open_spans.tenant_id,
        open_spans.dimension_id,
        open_spans.contract_id,
        open_spans.invoice_id,
        open_spans.charge_id,
        open_spans.span_start_at,
        max(closed_spans.span_end_at) as closed_until_at
    from all_spans as open_spans
    inner join all_spans as closed_spans
        on
            open_spans.tenant_id = closed_spans.tenant_id
            and open_spans.dimension_id = closed_spans.dimension_id
            and {{ filters_may_meet('open_spans.usage_filter', 'closed_spans.usage_filter') }}
            and open_spans.span_start_at < closed_spans.span_end_at
            and open_spans.span_end_at > closed_spans.span_start_at
    inner join sequences as closed_sequences
        on closed_spans.invoice_id = closed_sequences.invoice_id
    left join sequences as own_sequences
        on open_spans.invoice_id = own_sequences.invoice_id
    where
        own_sequences.invoice_id is null
        or closed_sequences.invoice_sequence < own_sequences.invoice_sequence
    group by
        open_spans.tenant_id,
        open_spans.dimension_id,
        open_spans.contract_id,
        open_spans.invoice_id,
        open_spans.charge_id,
        open_spans.span_start_at

),

clipped_spans as (

    select
        all_spans.*,
        greatest(all_spans.span_start_at, closed_until.closed_until_at) as clipped_start_at
    from all_spans
    left join closed_until
        on
            all_spans.tenant_id = closed_until.tenant_id
            and all_spans.dimension_id = closed_until.dimension_id
            and all_spans.contract_id = closed_until.contract_id
            and all_spans.charge_id = closed_until.charge_id
            and all_spans.invoice_id is not distinct from closed_until.invoice_id
            and all_spans.span_start_at = closed_until.span_start_at

),

spans as (

    select *
    from clipped_spans
    where clipped_start_at < span_end_at

)

select
    tenant_id::text as tenant_id,
    dimension_id::text as dimension_id,
    usage_filter::jsonb as usage_filter,
    clipped_start_at::timestamptz as span_start_at,
    span_end_at::timestamptz as span_end_at,
    status::text as status,
    reason::text as reason,
    contract_id::text as contract_id,
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number
from spans
