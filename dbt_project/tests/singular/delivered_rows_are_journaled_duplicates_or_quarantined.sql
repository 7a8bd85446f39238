-- Per delivery, and so per source object. A delivery that the journal has not taken yet may wait.
with

delivery_counts as (

    select
        delivery_id,
        source,
        object,
        delivered_count,
        journaled_count,
        duplicate_count,
        quarantined_count,
        is_journaled
    from {{ ref('fct_delivery_counts') }}

)

select
    delivery_id,
    source,
    object,
    delivered_count,
    journaled_count,
    duplicate_count,
    quarantined_count
from delivery_counts
where
    is_journaled
    and delivered_count <> journaled_count + duplicate_count + quarantined_count
