{{
    config(
        materialized='append_only',
        pre_hook='{{ hash_joins() }}',
        schema='ops', alias='journaled_deliveries',
    )
}}

with

parameters as (

    select build_number
    from {{ source('ops', 'parameters') }}

),

deliveries as (

    select
        delivery_id,
        source,
        landed_count
    from {{ source('raw', 'deliveries') }}

),

claimed_deliveries as (

    select delivery_id
    from {{ source('ops', 'claimed_deliveries') }}

),

entries as (

    select delivery_id
    from {{ ref('jnl_usage_entries') }}
    where
        not is_reversal
        and delivery_id >= (select min(claimed_deliveries.delivery_id) from claimed_deliveries)

),

journaled as (

    select
        entries.delivery_id,
        count(*) as journaled_count
    from entries
    inner join claimed_deliveries
        on entries.delivery_id = claimed_deliveries.delivery_id
    group by entries.delivery_id

),

duplicates as (

    select
        delivery_id,
        count(*) as duplicate_count
    from {{ ref('jnl_repeated_records') }}
    where outcome = 'duplicate'
    group by delivery_id

),

refused as (

    select
        delivery_id,
        count(*) as conflicting_count
    from {{ ref('jnl_conflicting_records') }}
    group by delivery_id

)

-- Three counts from three places: that they add up is a constraint of the table.
select
    deliveries.delivery_id::bigint as delivery_id,
    deliveries.source::text as source,
    deliveries.landed_count::bigint as landed_count,
    coalesce(journaled.journaled_count, 0)::bigint as journaled_count,
    coalesce(duplicates.duplicate_count, 0)::bigint as duplicate_count,
    coalesce(refused.conflicting_count, 0)::bigint as conflicting_count,
    parameters.build_number::bigint as build_number
from deliveries
inner join claimed_deliveries
    on deliveries.delivery_id = claimed_deliveries.delivery_id
left join journaled
    on deliveries.delivery_id = journaled.delivery_id
left join duplicates
    on deliveries.delivery_id = duplicates.delivery_id
left join refused
    on deliveries.delivery_id = refused.delivery_id
left join {{ this }} as counted
    on deliveries.delivery_id = counted.delivery_id
cross join parameters
where counted.delivery_id is null
