{{ config(materialized='append_only', schema='ops', alias='journaled_deliveries') }}

with

parameters as (

    select build_number
    from {{ source('ops', 'parameters') }}

),

deliveries as (

    select
        delivery_id,
        source
    from {{ source('raw', 'deliveries') }}

),

claimed_deliveries as (

    select delivery_id
    from {{ source('ops', 'claimed_deliveries') }}

),

records as (

    select
        delivery_id,
        row_number,
        record_key
    from {{ ref('stg_raw__unjournaled_records') }}

),

entries as (

    select
        record_key,
        is_reversal,
        delivery_id,
        row_number
    from {{ ref('jnl_usage_entries') }}

),

refused as (

    select
        delivery_id,
        row_number
    from {{ ref('jnl_conflicting_records') }}

),

outcomes as (

    select
        records.delivery_id,
        count(*) as landed_count,
        count(*) filter (
            where records.delivery_id = entries.delivery_id
            and records.row_number = entries.row_number
        ) as journaled_count,
        count(refused.delivery_id) as conflicting_count
    from records
    left join entries
        on
            records.record_key = entries.record_key
            and not entries.is_reversal
    left join refused
        on
            records.delivery_id = refused.delivery_id
            and records.row_number = refused.row_number
    group by records.delivery_id

)

select
    deliveries.delivery_id::bigint as delivery_id,
    deliveries.source::text as source,
    coalesce(outcomes.landed_count, 0)::bigint as landed_count,
    coalesce(outcomes.journaled_count, 0)::bigint as journaled_count,
    (
        coalesce(outcomes.landed_count, 0)
        - coalesce(outcomes.journaled_count, 0)
        - coalesce(outcomes.conflicting_count, 0)
    )::bigint as duplicate_count,
    coalesce(outcomes.conflicting_count, 0)::bigint as conflicting_count,
    parameters.build_number::bigint as build_number
from deliveries
inner join claimed_deliveries
    on deliveries.delivery_id = claimed_deliveries.delivery_id
left join outcomes
    on deliveries.delivery_id = outcomes.delivery_id
left join {{ this }} as counted
    on deliveries.delivery_id = counted.delivery_id
cross join parameters
where counted.delivery_id is null
