with

boundaries as (

    select
        tenant_id,
        dimension_id,
        boundary_at
    from {{ ref('int_usage_boundaries') }}

),

parameters as (

    select journal_watermark
    from {{ source('ops', 'parameters') }}

),

keys as (

    {{ keys_by_dimension() }}

),

split_hours as (

    select distinct
        tenant_id,
        dimension_id,
        {{ utc_hour('boundary_at') }} as started_at
    from boundaries
    where boundary_at <> {{ utc_hour('boundary_at') }}

),

split_instants as (

    select distinct started_at
    from split_hours

),

-- Of the journal, these hours are read and nothing else.
split_entries as (

    select
        entries.record_key,
        entries.is_reversal,
        entries.tenant_id,
        entries.dimension_id,
        entries.occurred_at,
        entries.value,
        entries.metadata,
        entries.sign
    from split_instants
    {{
        look_through(
            ref('jnl_usage_entries'),
            'entries',
            'occurred_at',
            'split_instants.started_at',
            "split_instants.started_at + interval '1 hour'"
        )
    }}
    inner join parameters
        on entries.build_number <= parameters.journal_watermark
    inner join split_hours
        on
            entries.tenant_id = split_hours.tenant_id
            and entries.dimension_id = split_hours.dimension_id
            and split_instants.started_at = split_hours.started_at

),

standing_entries as (

    select
        split_entries.record_key,
        split_entries.tenant_id,
        split_entries.dimension_id,
        split_entries.occurred_at,
        split_entries.value,
        split_entries.sign,
        {{ usage_group('split_entries.metadata', 'keys.metadata_keys') }} as usage_group,
        split_entries.sign = 1 and reversals.record_key is null as is_standing
    from split_entries
    left join split_entries as reversals
        on
            split_entries.record_key = reversals.record_key
            and reversals.is_reversal
    left join keys
        on split_entries.dimension_id = keys.dimension_id

),

instants as (

    select
        tenant_id,
        dimension_id,
        usage_group,
        occurred_at as started_at,
        {{ usage_values_of_entries() }}
    from standing_entries
    group by tenant_id, dimension_id, usage_group, occurred_at

)

select
    tenant_id::text as tenant_id,
    dimension_id::text as dimension_id,
    usage_group::jsonb as usage_group,
    started_at::timestamptz as started_at,
    {{ typed_usage_values() }}
from instants
