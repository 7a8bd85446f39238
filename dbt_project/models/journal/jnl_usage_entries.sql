{{
    config(
        materialized='append_only',
        pre_hook='{{ claim_deliveries() }}',
        partition_by_hash={'column': 'record_key', 'count': 16},
        indexes=[
            {'columns': ['corrects_key']},
            {'columns': ['occurred_at'], 'type': 'brin'},
            {'columns': ['delivery_id'], 'type': 'brin'},
        ],
    )
}}

with

parameters as (

    select build_number
    from {{ source('ops', 'parameters') }}

),

records as (

    select
        delivery_id,
        row_number,
        record_key,
        source,
        record_id,
        occurred_at,
        tenant_id,
        dimension_id,
        value,
        metadata,
        corrects_key,
        content_hash,
        row_number() over (
            partition by record_key
            order by delivery_id, row_number
        ) as delivery_rank
    from {{ ref('stg_raw__unjournaled_records') }}

),

-- The first delivery of an id stands, for ever: whatever comes later is a duplicate or a conflict.
first_deliveries as (

    select
        records.delivery_id,
        records.row_number,
        records.record_key,
        records.source,
        records.record_id,
        records.occurred_at,
        records.tenant_id,
        records.dimension_id,
        records.value,
        records.metadata,
        records.corrects_key,
        records.content_hash,
        row_number() over (
            partition by records.corrects_key
            order by records.delivery_id, records.row_number
        ) as correction_rank
    from records
    left join {{ this }} as journaled
        on
            records.record_key = journaled.record_key
            and not journaled.is_reversal
    where
        records.delivery_rank = 1
        and journaled.record_key is null

),

-- A record can be corrected once; to correct it again, the correction is corrected.
new_entries as (

    select
        first_deliveries.delivery_id,
        first_deliveries.row_number,
        first_deliveries.record_key,
        first_deliveries.source,
        first_deliveries.record_id,
        first_deliveries.occurred_at,
        first_deliveries.tenant_id,
        first_deliveries.dimension_id,
        first_deliveries.value,
        first_deliveries.metadata,
        first_deliveries.corrects_key,
        first_deliveries.content_hash,
        -- A correction to zero cancels: it stands for no record, not for one of value zero.
        case
            when first_deliveries.corrects_key is not null and first_deliveries.value = 0 then 0
            else 1
        end as sign
    from first_deliveries
    left join {{ this }} as earlier_correction
        on first_deliveries.corrects_key = earlier_correction.corrects_key
    where
        first_deliveries.corrects_key is null
        or (
            first_deliveries.correction_rank = 1
            and earlier_correction.corrects_key is null
        )

),

-- A correction and its original may arrive in either order, and in different builds.
correction_pairs as (

    select
        new_entries.corrects_key as original_key,
        new_entries.delivery_id,
        new_entries.row_number
    from new_entries
    where new_entries.corrects_key is not null

    union all

    select
        journaled.corrects_key as original_key,
        journaled.delivery_id,
        journaled.row_number
    from {{ this }} as journaled
    inner join new_entries
        on journaled.corrects_key = new_entries.record_key

),

corrected_entries as (

    select
        new_entries.record_key,
        new_entries.source,
        new_entries.record_id,
        new_entries.occurred_at,
        new_entries.tenant_id,
        new_entries.dimension_id,
        new_entries.value,
        new_entries.sign,
        new_entries.metadata,
        new_entries.content_hash,
        correction_pairs.delivery_id,
        correction_pairs.row_number
    from correction_pairs
    inner join new_entries
        on correction_pairs.original_key = new_entries.record_key

    union all

    select
        journaled.record_key,
        journaled.source,
        journaled.record_id,
        journaled.occurred_at,
        journaled.tenant_id,
        journaled.dimension_id,
        journaled.value,
        journaled.sign,
        journaled.metadata,
        journaled.content_hash,
        correction_pairs.delivery_id,
        correction_pairs.row_number
    from correction_pairs
    inner join {{ this }} as journaled
        on
            correction_pairs.original_key = journaled.record_key
            and not journaled.is_reversal

),

entries as (

    select
        record_key,
        false as is_reversal,
        source,
        record_id,
        tenant_id,
        dimension_id,
        occurred_at,
        value,
        sign,
        metadata,
        corrects_key,
        content_hash,
        delivery_id,
        row_number
    from new_entries

    union all

    select
        record_key,
        true as is_reversal,
        source,
        record_id,
        tenant_id,
        dimension_id,
        occurred_at,
        -value as value,
        -sign as sign,
        metadata,
        null as corrects_key,
        content_hash,
        delivery_id,
        row_number
    from corrected_entries

)

select
    entries.record_key::uuid as record_key,
    entries.is_reversal::boolean as is_reversal,
    entries.source::text as source,
    entries.record_id::text as record_id,
    entries.tenant_id::text as tenant_id,
    entries.dimension_id::text as dimension_id,
    entries.occurred_at::timestamptz as occurred_at,
    entries.value::numeric(38, 9) as value,
    entries.sign::smallint as sign,
    entries.metadata::jsonb as metadata,
    entries.corrects_key::uuid as corrects_key,
    entries.content_hash::uuid as content_hash,
    entries.delivery_id::bigint as delivery_id,
    entries.row_number::bigint as row_number,
    parameters.build_number::bigint as build_number
from entries
cross join parameters
-- Random keys land where their neighbours lie: the index stays in memory page by page.
order by entries.record_key, entries.is_reversal
