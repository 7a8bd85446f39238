with

deliveries as (

    select
        delivery_id,
        source,
        kind,
        object,
        version,
        replays_delivery_id,
        landed_at,
        delivered_count,
        landed_count,
        quarantined_count,
        rounded_count
    from {{ source('raw', 'deliveries') }}

),

journaled as (

    select
        delivery_id,
        journaled_count,
        duplicate_count,
        conflicting_count
    from {{ ref('jnl_delivery_counts') }}

),

-- Cost lines are not deduplicated: what was landed is what the source says now, or said before.
counts as (

    select
        deliveries.delivery_id,
        deliveries.source,
        deliveries.kind,
        deliveries.object,
        deliveries.version,
        deliveries.replays_delivery_id,
        deliveries.landed_at,
        deliveries.delivered_count,
        deliveries.rounded_count,
        case
            when deliveries.kind = 'cost' then deliveries.landed_count
            else coalesce(journaled.journaled_count, 0)
        end as journaled_count,
        coalesce(journaled.duplicate_count, 0) as duplicate_count,
        deliveries.quarantined_count + coalesce(journaled.conflicting_count, 0)
            as quarantined_count,
        deliveries.kind = 'cost' or journaled.delivery_id is not null as is_journaled
    from deliveries
    left join journaled
        on deliveries.delivery_id = journaled.delivery_id

)

select
    delivery_id::bigint as delivery_id,
    source::text as source,
    kind::text as kind,
    object::text as object,
    version::text as version,
    replays_delivery_id::bigint as replays_delivery_id,
    landed_at::timestamptz as landed_at,
    delivered_count::bigint as delivered_count,
    journaled_count::bigint as journaled_count,
    duplicate_count::bigint as duplicate_count,
    quarantined_count::bigint as quarantined_count,
    rounded_count::bigint as rounded_count,
    is_journaled::boolean as is_journaled
from counts
