{{
    config(
        materialized='rollup',
        cell=['tenant_id', 'dimension_id', 'usage_hour', 'group_key'],
        rebuilt_by='day',
        usage_month="date_trunc('month', usage_hour at time zone 'UTC')::date",
        definition_query=keys_definition(grouping_keys()),
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

-- Of all versions: what a closed invoice was priced by is kept as long as there is the invoice.
keys as (

    {{ keys_by_dimension() }}

),

{% if rolled_up_build is not none %}
touched_hours as (

    select distinct
        tenant_id,
        dimension_id,
        {{ utc_hour('occurred_at') }} as usage_hour
    from {{ ref('jnl_usage_entries') }}
    where
        build_number > {{ rolled_up_build }}
        and dimension_id in (select keys.dimension_id from keys)

),

touched_days as (

    select distinct {{ utc_day('usage_hour') }} as started_at
    from touched_hours

),
{% endif %}

entries as (

    select
        journal.record_key,
        journal.tenant_id,
        journal.dimension_id,
        journal.occurred_at,
        journal.value,
        journal.metadata,
        journal.sign,
        {{ utc_hour('journal.occurred_at') }} as usage_hour
    {% if rolled_up_build is not none %}
    from touched_days
    {{
        look_through(
            ref('jnl_usage_entries'),
            'journal',
            'occurred_at',
            'touched_days.started_at',
            "touched_days.started_at + interval '1 day'"
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

reversals as (

    select record_key
    from {{ ref('jnl_usage_entries') }}
    where
        is_reversal
        and build_number <= (select parameters.journal_watermark from parameters)

),

-- A reversal has the metadata of its entry, so it is in the same group.
standing_entries as (

    select
        entries.record_key,
        entries.tenant_id,
        entries.dimension_id,
        entries.occurred_at,
        entries.value,
        entries.sign,
        entries.usage_hour,
        {{ usage_group('entries.metadata', 'keys.metadata_keys') }} as usage_group,
        entries.sign = 1 and reversals.record_key is null as is_standing
    from entries
    inner join keys
        on entries.dimension_id = keys.dimension_id
    {% if rolled_up_build is not none %}
    inner join touched_hours
        on
            entries.tenant_id = touched_hours.tenant_id
            and entries.dimension_id = touched_hours.dimension_id
            and entries.usage_hour = touched_hours.usage_hour
    {% endif %}
    left join reversals
        on entries.record_key = reversals.record_key

),

hourly as (

    select
        tenant_id,
        dimension_id,
        usage_hour,
        usage_group,
        {{ usage_values_of_entries() }}
    from standing_entries
    group by tenant_id, dimension_id, usage_hour, usage_group

)

-- A group may be longer than an index can hold, hence its hash in the key.
select
    tenant_id::text as tenant_id,
    dimension_id::text as dimension_id,
    usage_hour::timestamptz as usage_hour,
    md5(usage_group::text)::uuid as group_key,
    usage_group::jsonb as usage_group,
    {{ typed_usage_values() }}
from hourly
