{{ config(materialized='append_only') }}

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
        content_hash
    from {{ ref('stg_raw__unjournaled_records') }}

),

entries as (

    select
        record_key,
        is_reversal,
        content_hash,
        delivery_id,
        row_number
    from {{ ref('jnl_usage_entries') }}

),

refused as (

    select
        records.delivery_id,
        records.row_number,
        records.record_key,
        case
            when entries.record_key is null then 'conflicting_correction'
            else 'conflicting_id'
        end as reason,
        entries.delivery_id as kept_delivery_id,
        entries.row_number as kept_row_number
    from records
    left join entries
        on
            records.record_key = entries.record_key
            and not entries.is_reversal
    left join {{ this }} as already_refused
        on
            records.delivery_id = already_refused.delivery_id
            and records.row_number = already_refused.row_number
    where
        records.content_hash is distinct from entries.content_hash
        and already_refused.delivery_id is null

)

select
    refused.delivery_id::bigint as delivery_id,
    refused.row_number::bigint as row_number,
    refused.record_key::uuid as record_key,
    refused.reason::text as reason,
    refused.kept_delivery_id::bigint as kept_delivery_id,
    refused.kept_row_number::bigint as kept_row_number,
    parameters.build_number::bigint as build_number
from refused
cross join parameters
