{{
    config(
        materialized='rollup',
        cell=['tenant_id', 'dimension_id', 'usage_date', 'group_key', 'metadata_key', 'value_hash'],
        rebuilt_by='day',
        usage_month="date_trunc('month', usage_date::timestamp)::date",
        definition_query=keys_definition(counted_keys()),
        new_keys_query=are_keys_new(distinct_keys()),
        pre_hook='{{ hash_joins() }}',
        contract={'enforced': false},
        schema='rating',
    )
}}

-- depends_on: {{ ref('jnl_control_totals') }}
{%- set rolled_up_build = rolled_up_build() %}

with

parameters as (

    select journal_watermark
    from {{ source('ops', 'parameters') }}

),

-- Of all versions: what a closed invoice counted by is counted as long as there is the invoice.
keys as (

    select distinct
        dimension_id,
        distinct_on as metadata_key
    from {{ source('catalog', 'dimensions') }}
    where distinct_on is not null

),

group_keys as (

    {{ keys_by_dimension() }}

),

{% if rolled_up_build is not none %}
touched_days as (

    select distinct
        tenant_id,
        dimension_id,
        (occurred_at at time zone 'UTC')::date as usage_date
    from {{ ref('jnl_usage_entries') }}
    where
        build_number > {{ rolled_up_build }}
        and dimension_id in (select keys.dimension_id from keys)

),

days as (

    select distinct usage_date::timestamp at time zone 'UTC' as started_at
    from touched_days

),
{% endif %}

entries as (

    select
        journal.tenant_id,
        journal.dimension_id,
        (journal.occurred_at at time zone 'UTC')::date as usage_date,
        journal.metadata,
        journal.sign
    {% if rolled_up_build is not none %}
    from days
    {{
        look_through(
            ref('jnl_usage_entries'),
            'journal',
            'occurred_at',
            'days.started_at',
            "days.started_at + interval '1 day'"
        )
    }}
    where journal.build_number <= (select parameters.journal_watermark from parameters)
    {% else %}
    from {{ ref('jnl_usage_entries') }} as journal
    where
        journal.build_number <= (select parameters.journal_watermark from parameters)
        and {{ in_rebuilt_period(instant='journal.occurred_at') }}
    {% endif %}

),

valued_entries as (

    select
        entries.tenant_id,
        entries.dimension_id,
        entries.usage_date,
        entries.sign,
        keys.metadata_key,
        {{ json_text('entries.metadata', 'keys.metadata_key') }} as metadata_value,
        {{ usage_group('entries.metadata', 'group_keys.metadata_keys') }} as usage_group
    from entries
    inner join keys
        on entries.dimension_id = keys.dimension_id
    left join group_keys
        on entries.dimension_id = group_keys.dimension_id
    {% if rolled_up_build is not none %}
    inner join touched_days
        on
            entries.tenant_id = touched_days.tenant_id
            and entries.dimension_id = touched_days.dimension_id
            and entries.usage_date = touched_days.usage_date
    {% endif %}

)

-- A value or group may be longer than an index can hold, hence its hash in the key. A reversal has
-- the metadata and the day of its entry, so what was taken back comes to zero.
select
    tenant_id::text as tenant_id,
    dimension_id::text as dimension_id,
    usage_date::date as usage_date,
    md5(usage_group::text)::uuid as group_key,
    usage_group::jsonb as usage_group,
    metadata_key::text as metadata_key,
    md5(metadata_value)::uuid as value_hash,
    metadata_value::text as metadata_value,
    sum(sign)::bigint as record_count
from valued_entries
where metadata_value is not null
group by tenant_id, dimension_id, usage_date, usage_group, metadata_key, metadata_value
