{{ config(materialized='append_only') }}

with

totalled as (

    select coalesce(max(build_number), 0) as build_number
    from {{ this }}

),

new_entries as (

    select
        build_number,
        dimension_id,
        occurred_at,
        value,
        sign
    from {{ ref('jnl_usage_entries') }}
    where build_number > (select totalled.build_number from totalled)

),

-- A day is cheaper to tell than a month, and there are few of them.
days as (

    select
        build_number,
        dimension_id,
        {{ utc_day('occurred_at') }} as day_start_at,
        sum(value) as quantity,
        sum(sign) as record_count
    from new_entries
    group by build_number, dimension_id, {{ utc_day('occurred_at') }}

),

totals as (

    select
        build_number,
        dimension_id,
        date_trunc('month', day_start_at at time zone 'UTC')::date as usage_month,
        sum(quantity) as quantity,
        sum(record_count) as record_count
    from days
    group by
        build_number,
        dimension_id,
        date_trunc('month', day_start_at at time zone 'UTC')::date

)

-- Wider than a cell of usage: where the largest values there are do not fit into one, the journal
-- takes them all the same, and their corrections after them.
select
    build_number::integer as build_number,
    dimension_id::text as dimension_id,
    usage_month::date as usage_month,
    quantity::numeric(58, 9) as quantity,
    record_count::bigint as record_count
from totals
