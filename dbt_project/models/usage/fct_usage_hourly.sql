{{
    config(
        materialized='rollup',
        cell=['tenant_id', 'dimension_id', 'usage_hour'],
        rebuilt_by='day',
        usage_month="date_trunc('month', usage_hour at time zone 'UTC')::date",
        indexes=[{'columns': ['usage_hour']}],
        pre_hook='{{ hash_joins() }}',
    )
}}

-- depends_on: {{ ref('jnl_control_totals') }}
{%- set rolled_up_build = rolled_up_build() %}

with

parameters as (

    select journal_watermark
    from {{ source('ops', 'parameters') }}

),

{% if rolled_up_build is not none %}
{{ usage_added('usage_hour', utc_hour('occurred_at')) }}

days_taken_back as (

    select distinct {{ utc_day('usage_hour') }} as started_at
    from taken_back

),
{% endif %}

entries as (

    select
        journal.record_key,
        journal.tenant_id,
        journal.dimension_id,
        journal.occurred_at,
        journal.value,
        journal.sign,
        {{ utc_hour('journal.occurred_at') }} as usage_hour
    {% if rolled_up_build is not none %}
    from days_taken_back
    {{
        look_through(
            ref('jnl_usage_entries'),
            'journal',
            'occurred_at',
            'days_taken_back.started_at',
            "days_taken_back.started_at + interval '1 day'"
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

standing_entries as (

    select
        entries.record_key,
        entries.tenant_id,
        entries.dimension_id,
        entries.occurred_at,
        entries.value,
        entries.sign,
        entries.usage_hour,
        entries.sign = 1 and reversals.record_key is null as is_standing
    from entries
    {% if rolled_up_build is not none %}
    inner join taken_back
        on
            entries.tenant_id = taken_back.tenant_id
            and entries.dimension_id = taken_back.dimension_id
            and entries.usage_hour = taken_back.usage_hour
    {% endif %}
    left join reversals
        on entries.record_key = reversals.record_key

),

hourly as (

    select
        tenant_id,
        dimension_id,
        usage_hour,
        {{ usage_values_of_entries() }}
    from standing_entries
    group by tenant_id, dimension_id, usage_hour

)

select
    tenant_id::text as tenant_id,
    dimension_id::text as dimension_id,
    usage_hour::timestamptz as usage_hour,
    {{ typed_usage_values() }}
from hourly
{% if rolled_up_build is not none %}

union all

select
    tenant_id::text as tenant_id,
    dimension_id::text as dimension_id,
    usage_hour::timestamptz as usage_hour,
    {{ typed_usage_values() }}
from merged
{% endif %}
