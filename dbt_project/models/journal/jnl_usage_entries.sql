{{
    config(
        materialized='append_only',
        pre_hook=['{{ claim_deliveries() }}', '{{ hash_joins() }}'],
        partition_by_hash={'column': 'record_key', 'count': 16},
        unique_keys=[
            {'columns': ['record_key'], 'where': 'not is_reversal'},
            {'columns': ['record_key'], 'where': 'is_reversal'},
            {'columns': ['corrects_key', 'record_key'], 'where': 'corrects_key is not null'},
        ],
        indexes=[
            {'columns': ['occurred_at'], 'type': 'brin'},
            {'columns': ['delivery_id'], 'type': 'brin'},
            {'columns': ['build_number'], 'type': 'brin'},
        ],
    )
}}

{%- set is_archived = has_archive() %}
{%- set refused = earlier_refusals() %}

with

parameters as (

    select build_number
    from {{ source('ops', 'parameters') }}

),

{% if is_archived %}
claimed_records as (

    select *
    from {{ ref('stg_raw__unjournaled_records') }}

),

-- What is archived, and what would change an archived month, never gets further than here.
judged_records as (

    select
        claimed_records.*,
        {{ archive_outcome('claimed_records', is_same='true') }} as archive_outcome
    from claimed_records
    {{ look_up_archive('claimed_records') }}

),
{% endif %}

records as {{ inlined() }} (

    select
        delivery_id,
        row_number,
        record_key,
        record_id,
        occurred_at,
        tenant_id,
        dimension_id,
        value,
        metadata,
        corrects_key,
        is_correction
    {% if is_archived %}
    from judged_records
    where archive_outcome is null
    {% else %}
    from {{ ref('stg_raw__unjournaled_records') }}
    {% endif %}

),

repeated_keys as (

    select record_key
    from records
    group by record_key
    having count(*) > 1

),

ranked_repetitions as (

    select
        records.delivery_id,
        records.row_number,
        row_number() over (
            partition by records.record_key
            order by records.delivery_id, records.row_number
        ) as delivery_rank
    from records
    inner join repeated_keys
        on records.record_key = repeated_keys.record_key

),

-- The first delivery of an id stands, for ever: whatever comes later is a duplicate or a conflict.
repetitions as (

    select
        delivery_id,
        row_number
    from ranked_repetitions
    where delivery_rank > 1

),

-- Corrections are few. What is said of them is found by key, and costs the other records nothing:
-- an engine that has built an empty hash table does not read the other side of its join.
first_corrections as (

    select
        records.record_key,
        records.corrects_key,
        records.delivery_id,
        records.row_number,
        row_number() over (
            partition by records.corrects_key
            order by records.delivery_id, records.row_number
        ) as correction_rank
    from records
    left join repetitions
        on
            records.delivery_id = repetitions.delivery_id
            and records.row_number = repetitions.row_number
    {{
        look_up(
            this,
            'journaled',
            'kept.record_key = records.record_key and not kept.is_reversal'
        )
    }}
    where
        records.is_correction
        and repetitions.delivery_id is null
        and journaled.record_key is null

),

-- A record can be corrected once; to correct it again, the correction is corrected.
judged_corrections as (

    select
        first_corrections.record_key,
        first_corrections.corrects_key,
        first_corrections.delivery_id,
        first_corrections.row_number,
        first_corrections.correction_rank = 1 and earlier_correction.record_key is null
            as is_accepted
    from first_corrections
    {{
        look_up(
            this,
            'earlier_correction',
            'kept.corrects_key = first_corrections.corrects_key'
        )
    }}

),

-- A key that was refused once is taken: what else is said under it later is no new record.
refused_keys as (

    select record_key
    from judged_corrections
    where not is_accepted
    {%- if refused %}

    union distinct

    select record_key
    from {{ refused }}
    where reason = 'conflicting_correction'
    {%- endif %}

),

-- Those whose key is journaled already are left out by the unique key as they are inserted: looking
-- each up before would cost as much again. They come in the order of days, as what lies together in
-- time is read together; within a day, of keys, as neighbours in the index are written together.
new_entries as (

    select
        records.delivery_id,
        records.row_number,
        records.record_key,
        records.record_id,
        records.occurred_at,
        records.tenant_id,
        records.dimension_id,
        records.value,
        records.metadata,
        records.corrects_key,
        {{ entry_sign('records') }} as sign
    from records
    left join repetitions
        on
            records.delivery_id = repetitions.delivery_id
            and records.row_number = repetitions.row_number
    left join refused_keys
        on records.record_key = refused_keys.record_key
    where
        repetitions.delivery_id is null
        and refused_keys.record_key is null
    order by {{ utc_day('records.occurred_at') }}, records.record_key

),

-- Corrections in the journal whose original has not come yet.
waiting_corrections as (

    select
        corrections.corrects_key,
        corrections.delivery_id,
        corrections.row_number
    from {{ this }} as corrections
    left join {{ this }} as reversals
        on
            corrections.corrects_key = reversals.record_key
            and reversals.is_reversal
    where
        corrections.corrects_key is not null
        and reversals.record_key is null

),

-- A correction and its original may arrive in either order, and in different builds.
correction_pairs as (

    select
        corrects_key as original_key,
        delivery_id,
        row_number
    from judged_corrections
    where is_accepted

    union all

    select
        corrects_key as original_key,
        delivery_id,
        row_number
    from waiting_corrections

),

delivered_originals as (

    select
        records.record_key,
        records.record_id,
        records.occurred_at,
        records.tenant_id,
        records.dimension_id,
        records.value,
        records.metadata,
        {{ entry_sign('records') }} as sign,
        correction_pairs.delivery_id,
        correction_pairs.row_number
    from correction_pairs
    inner join records
        on correction_pairs.original_key = records.record_key
    left join repetitions
        on
            records.delivery_id = repetitions.delivery_id
            and records.row_number = repetitions.row_number
    where repetitions.delivery_id is null

),

corrected_entries as (

    select
        delivered_originals.record_key,
        delivered_originals.record_id,
        delivered_originals.occurred_at,
        delivered_originals.tenant_id,
        delivered_originals.dimension_id,
        delivered_originals.value,
        delivered_originals.metadata,
        delivered_originals.sign,
        delivered_originals.delivery_id,
        delivered_originals.row_number
    from delivered_originals
    left join refused_keys
        on delivered_originals.record_key = refused_keys.record_key
    {{
        look_up(
            this,
            'journaled',
            'kept.record_key = delivered_originals.record_key and not kept.is_reversal'
        )
    }}
    where
        refused_keys.record_key is null
        and journaled.record_key is null

    union all

    select
        journaled.record_key,
        journaled.record_id,
        journaled.occurred_at,
        journaled.tenant_id,
        journaled.dimension_id,
        journaled.value,
        journaled.metadata,
        journaled.sign,
        correction_pairs.delivery_id,
        correction_pairs.row_number
    from correction_pairs
    {{
        look_up(
            this,
            'journaled',
            'kept.record_key = correction_pairs.original_key and not kept.is_reversal'
        )
    }}
    where journaled.record_key is not null

),

entries as (

    select
        record_key,
        false as is_reversal,
        record_id,
        tenant_id,
        dimension_id,
        occurred_at,
        value,
        sign,
        metadata,
        corrects_key,
        delivery_id,
        row_number
    from new_entries

    union all

    select
        record_key,
        true as is_reversal,
        record_id,
        tenant_id,
        dimension_id,
        occurred_at,
        -value as value,
        -sign as sign,
        metadata,
        null as corrects_key,
        delivery_id,
        row_number
    from corrected_entries

)

select
    entries.occurred_at::timestamptz as occurred_at,
    entries.record_key::uuid as record_key,
    entries.delivery_id::integer as delivery_id,
    entries.row_number::integer as row_number,
    parameters.build_number::integer as build_number,
    entries.sign::smallint as sign,
    entries.is_reversal::boolean as is_reversal,
    entries.tenant_id::text as tenant_id,
    entries.dimension_id::text as dimension_id,
    entries.value::numeric(38, 9) as value,
    entries.record_id::text as record_id,
    entries.metadata::json as metadata,
    entries.corrects_key::uuid as corrects_key
from entries
cross join parameters
