-- A correction whose original has not come counts beside it, or instead of nothing, until it comes.
-- One that is corrected itself counts no more.
{{ config(sql_header=hash_joins() ~ ';') }}
with

corrections as (

    select
        record_key,
        record_id,
        corrects_key,
        delivery_id,
        row_number
    from {{ ref('jnl_usage_entries') }}
    where corrects_key is not null

),

reversals as (

    select record_key
    from {{ ref('jnl_usage_entries') }}
    where is_reversal

)

select
    corrections.record_id,
    corrections.delivery_id,
    corrections.row_number
from corrections
left join reversals
    on corrections.corrects_key = reversals.record_key
left join reversals as later_corrections
    on corrections.record_key = later_corrections.record_key
where
    reversals.record_key is null
    and later_corrections.record_key is null
