with

deliveries as (

    select
        delivery_id,
        source,
        object,
        landed_at
    from {{ source('raw', 'deliveries') }}

),

unreadable as (

    select
        delivery_id,
        row_number,
        reason,
        detail,
        quarantined_at
    from {{ source('raw', 'quarantine') }}

),

conflicting as (

    select
        delivery_id,
        row_number,
        reason,
        kept_delivery_id,
        kept_row_number
    from {{ ref('jnl_conflicting_records') }}

),

resolutions as (

    select
        delivery_id,
        row_number,
        resolution,
        replay_delivery_id,
        resolved_at
    from {{ source('raw', 'quarantine_resolutions') }}

),

quarantined as (

    select
        delivery_id,
        row_number,
        reason,
        detail,
        quarantined_at
    from unreadable

    union all

    select
        conflicting.delivery_id,
        conflicting.row_number,
        conflicting.reason,
        case
            when conflicting.reason = 'archived_time'
                then 'its month is archived: to be restored, then replayed'
            when conflicting.reason = 'archived_original'
                then 'the month of what it corrects is archived: to be restored, then replayed'
            when conflicting.reason = 'conflicting_id' and conflicting.kept_delivery_id is null
                then 'an archived record has the same id and other content'
            when conflicting.reason = 'conflicting_id'
                then
                    'row ' || conflicting.kept_row_number || ' of delivery '
                    || conflicting.kept_delivery_id || ' has the same id and other content'
            else 'the record it corrects was corrected before'
        end as detail,
        deliveries.landed_at as quarantined_at
    from conflicting
    inner join deliveries
        on conflicting.delivery_id = deliveries.delivery_id

)

-- The row itself stays in raw.quarantine: it may hold anything, and readers of marts are many.
select
    quarantined.delivery_id::bigint as delivery_id,
    quarantined.row_number::bigint as row_number,
    deliveries.source::text as source,
    deliveries.object::text as object,
    quarantined.reason::text as reason,
    quarantined.detail::text as detail,
    quarantined.quarantined_at::timestamptz as quarantined_at,
    coalesce(resolutions.resolution, 'open')::text as resolution,
    resolutions.replay_delivery_id::bigint as replay_delivery_id,
    resolutions.resolved_at::timestamptz as resolved_at
from quarantined
inner join deliveries
    on quarantined.delivery_id = deliveries.delivery_id
left join resolutions
    on
        quarantined.delivery_id = resolutions.delivery_id
        and quarantined.row_number = resolutions.row_number
