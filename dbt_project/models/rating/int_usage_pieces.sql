with

parameters as (

    select
        catalog_version,
        journal_watermark
    from {{ source('ops', 'parameters') }}

),

hourly as (

    select
        tenant_id,
        dimension_id,
        usage_hour,
        quantity_sum,
        record_count,
        quantity_min,
        quantity_max,
        quantity_last,
        last_recorded_at
    from {{ ref('fct_usage_hourly') }}

),

entries as (

    select
        record_key,
        is_reversal,
        tenant_id,
        dimension_id,
        occurred_at,
        value,
        sign,
        build_number
    from {{ ref('jnl_usage_entries') }}

),

spans as (

    select
        tenant_id,
        dimension_id,
        span_start_at,
        span_end_at,
        status,
        reason,
        contract_id,
        invoice_id,
        charge_id,
        part_number
    from {{ ref('int_metered_spans') }}

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
        customer_id
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

-- Where a span begins or ends inside a UTC hour (Kolkata, Kathmandu), the rollup of that hour says
-- too little: its records are taken from the journal, each by its own instant.
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

),

split_hours as (

    select distinct
        tenant_id,
        dimension_id,
        {{ utc_hour('boundary_at') }} as usage_hour
    from boundaries
    where boundary_at <> {{ utc_hour('boundary_at') }}

),

whole_hours as (

    select
        hourly.tenant_id,
        hourly.dimension_id,
        hourly.usage_hour,
        hourly.usage_hour as recorded_at,
        hourly.quantity_sum,
        hourly.record_count,
        hourly.quantity_min,
        hourly.quantity_max,
        hourly.quantity_last,
        hourly.last_recorded_at
    from hourly
    left join split_hours
        on
            hourly.tenant_id = split_hours.tenant_id
            and hourly.dimension_id = split_hours.dimension_id
            and hourly.usage_hour = split_hours.usage_hour
    where split_hours.usage_hour is null

),

split_entries as (

    select
        entries.record_key,
        entries.is_reversal,
        entries.tenant_id,
        entries.dimension_id,
        split_hours.usage_hour,
        entries.occurred_at,
        entries.value,
        entries.sign
    from entries
    inner join parameters
        on entries.build_number <= parameters.journal_watermark
    inner join split_hours
        on
            entries.tenant_id = split_hours.tenant_id
            and entries.dimension_id = split_hours.dimension_id
            and entries.occurred_at >= split_hours.usage_hour
            and entries.occurred_at < split_hours.usage_hour + interval '1 hour'

),

standing_entries as (

    select
        split_entries.record_key,
        split_entries.tenant_id,
        split_entries.dimension_id,
        split_entries.usage_hour,
        split_entries.occurred_at,
        split_entries.value,
        split_entries.sign,
        split_entries.sign = 1 and reversals.record_key is null as is_standing
    from split_entries
    left join split_entries as reversals
        on
            split_entries.record_key = reversals.record_key
            and reversals.is_reversal

),

split_instants as (

    select
        tenant_id,
        dimension_id,
        usage_hour,
        occurred_at as recorded_at,
        sum(value) as quantity_sum,
        sum(sign) as record_count,
        min(value) filter (where is_standing) as quantity_min,
        max(value) filter (where is_standing) as quantity_max,
        {{ latest_by('value', 'occurred_at', 'is_standing', key='record_key') }} as quantity_last,
        max(occurred_at) filter (where is_standing) as last_recorded_at
    from standing_entries
    group by tenant_id, dimension_id, usage_hour, occurred_at

),

measured as (

    select *
    from whole_hours

    union all

    select *
    from split_instants

),

assigned as (

    select
        measured.*,
        spans.status,
        spans.reason,
        spans.contract_id,
        spans.invoice_id,
        spans.charge_id,
        spans.part_number
    from measured
    left join spans
        on
            measured.tenant_id = spans.tenant_id
            and measured.dimension_id = spans.dimension_id
            and measured.recorded_at >= spans.span_start_at
            and measured.recorded_at < spans.span_end_at

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
            when exists (
                select periods.customer_id
                from periods
                where
                    periods.customer_id = tenants.customer_id
                    and assigned.recorded_at >= periods.period_start_at
                    and assigned.recorded_at < periods.period_end_at
            ) then 'no_charge'
            else 'no_contract'
        end as explained_reason
    from assigned
    left join tenants
        on assigned.tenant_id = tenants.tenant_id
    left join dimensions
        on assigned.dimension_id = dimensions.dimension_id

),

pieces as (

    select
        tenant_id,
        dimension_id,
        usage_hour,
        coalesce(status, 'unassigned') as status,
        explained_reason as reason,
        customer_id,
        contract_id,
        invoice_id,
        charge_id,
        part_number,
        sum(quantity_sum) as quantity_sum,
        sum(record_count) as record_count,
        min(quantity_min) as quantity_min,
        max(quantity_max) as quantity_max,
        {{ latest_by('quantity_last', 'last_recorded_at', 'last_recorded_at is not null') }}
            as quantity_last,
        max(last_recorded_at) as last_recorded_at
    from explained
    group by
        tenant_id,
        dimension_id,
        usage_hour,
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
    usage_hour::timestamptz as usage_hour,
    status::text as status,
    reason::text as reason,
    customer_id::text as customer_id,
    contract_id::text as contract_id,
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    quantity_sum::numeric(38, 9) as quantity_sum,
    record_count::bigint as record_count,
    quantity_min::numeric(38, 9) as quantity_min,
    quantity_max::numeric(38, 9) as quantity_max,
    quantity_last::numeric(38, 9) as quantity_last,
    last_recorded_at::timestamptz as last_recorded_at
from pieces
