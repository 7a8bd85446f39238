{{
    config(
        materialized='append_only',
        pre_hook='{{ hash_joins() }}',
        gives_new_keys_only=true,
        partition_by_hash={'column': 'record_key', 'count': 16},
        unique_keys=[
            {'columns': ['record_key'], 'where': 'not is_reversal'},
            {'columns': ['record_key'], 'where': 'is_reversal'},
            {'columns': ['corrects_key', 'record_key'], 'where': 'corrects_key is not null'},
        ],
        brin=['occurred_at', 'delivery_id', 'build_number'],
    )
}}

with

parameters as (

    select build_number
    from {{ source('ops', 'parameters') }}

),

repeated_records as (

    select
        delivery_id,
        row_number
    from {{ ref('jnl_repeated_records') }}

),

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
    from {{ ref('stg_raw__unjournaled_records') }}

),

new_records as {{ inlined() }} (

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
        records.is_correction,
        {{ entry_sign('records') }} as sign
    from records
    left join repeated_records
        on
            records.delivery_id = repeated_records.delivery_id
            and records.row_number = repeated_records.row_number
    where repeated_records.delivery_id is null

),

-- In the order of days, as what lies together in time is read together; within a day, of keys, as
-- neighbours in the index are written together.
new_entries as (

    select *
    from new_records
    order by {{ utc_day('occurred_at') }}, record_key

),

-- A correction and its original may arrive in either order, and in different builds: those in the
-- journal without a reversal still wait for their original.
corrections as (

    select
        corrects_key as original_key,
        delivery_id,
        row_number
    from new_records
    where is_correction

    union all

    select
        waiting.corrects_key as original_key,
        waiting.delivery_id,
        waiting.row_number
    from {{ this }} as waiting
    left join {{ this }} as reversals
        on
            waiting.corrects_key = reversals.record_key
            and reversals.is_reversal
    where
        waiting.corrects_key is not null
        and reversals.record_key is null

),

corrected_entries as (

    select
        new_records.record_key,
        new_records.record_id,
        new_records.occurred_at,
        new_records.tenant_id,
        new_records.dimension_id,
        new_records.value,
        new_records.metadata,
        new_records.sign,
        corrections.delivery_id,
        corrections.row_number
    from corrections
    inner join new_records
        on corrections.original_key = new_records.record_key

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
        corrections.delivery_id,
        corrections.row_number
    from corrections
    {{
        look_up(
            this,
            'journaled',
            'kept.record_key = corrections.original_key and not kept.is_reversal'
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
