-- Who is refused is decided by the entries that stand: if they cannot be written, nobody is.
-- depends_on: {{ ref('jnl_usage_entries') }}
{{
    config(
        materialized='append_only',
        pre_hook='{{ hash_joins() }}',
        unique_keys=[{'columns': ['delivery_id', 'row_number']}],
    )
}}

with

parameters as (

    select build_number
    from {{ source('ops', 'parameters') }}

),

repeated as (

    select
        delivery_id,
        row_number,
        record_key,
        outcome,
        kept_delivery_id,
        kept_row_number
    from {{ ref('jnl_repeated_records') }}

),

refused as (

    select
        repeated.delivery_id,
        repeated.row_number,
        repeated.record_key,
        repeated.outcome as reason,
        repeated.kept_delivery_id,
        repeated.kept_row_number
    from repeated
    left join {{ this }} as already_refused
        on
            repeated.delivery_id = already_refused.delivery_id
            and repeated.row_number = already_refused.row_number
    where
        repeated.outcome not in ('duplicate', 'journaled')
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
