with

parameters as (

    select journal_watermark
    from {{ source('ops', 'parameters') }}

),

entries as (

    select
        record_key,
        is_reversal,
        tenant_id,
        dimension_id,
        occurred_at,
        value,
        sign,
        build_number
    from {{ ref('jnl_usage_entries') }}

),

counted_entries as (

    select
        entries.record_key,
        entries.is_reversal,
        entries.tenant_id,
        entries.dimension_id,
        entries.occurred_at,
        entries.value,
        entries.sign
    from entries
    inner join parameters
        on entries.build_number <= parameters.journal_watermark

),

-- Sums and counts take reversals as they are; a minimum or a latest value must not see what was
-- taken back.
standing_entries as (

    select
        counted_entries.record_key,
        counted_entries.tenant_id,
        counted_entries.dimension_id,
        counted_entries.occurred_at,
        counted_entries.value,
        counted_entries.sign,
        {{ utc_hour('counted_entries.occurred_at') }} as usage_hour,
        counted_entries.sign = 1 and reversals.record_key is null as is_standing
    from counted_entries
    left join counted_entries as reversals
        on
            counted_entries.record_key = reversals.record_key
            and reversals.is_reversal

),

hourly as (

    select
        tenant_id,
        dimension_id,
        usage_hour,
        sum(value) as quantity_sum,
        sum(sign) as record_count,
        min(value) filter (where is_standing) as quantity_min,
        max(value) filter (where is_standing) as quantity_max,
        {{ latest_by('value', 'occurred_at desc, record_key desc', 'is_standing') }}
            as quantity_last,
        max(occurred_at) filter (where is_standing) as last_recorded_at
    from standing_entries
    group by tenant_id, dimension_id, usage_hour

)

select
    tenant_id::text as tenant_id,
    dimension_id::text as dimension_id,
    usage_hour::timestamptz as usage_hour,
    quantity_sum::numeric(38, 9) as quantity_sum,
    record_count::bigint as record_count,
    quantity_min::numeric(38, 9) as quantity_min,
    quantity_max::numeric(38, 9) as quantity_max,
    quantity_last::numeric(38, 9) as quantity_last,
    last_recorded_at::timestamptz as last_recorded_at
from hourly
