with

parameters as (

    select journal_watermark
    from {{ source('ops', 'parameters') }}

),

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        price_keys,
        distinct_on
    from {{ ref('int_metered_parts') }}
    where aggregation = 'count_distinct' and bucket_every is null

),

group_keys as (

    {{ keys_by_dimension() }}

),

spans as (

    select
        tenant_id,
        dimension_id,
        usage_filter,
        span_start_at,
        span_end_at,
        invoice_id,
        charge_id,
        part_number
    from {{ ref('int_metered_spans') }}
    where status = 'rated'

),

counted_spans as (

    select
        spans.tenant_id,
        spans.dimension_id,
        spans.usage_filter,
        spans.span_start_at,
        spans.span_end_at,
        spans.invoice_id,
        spans.charge_id,
        spans.part_number,
        parts.distinct_on,
        parts.price_keys
    from spans
    inner join parts
        on
            spans.invoice_id = parts.invoice_id
            and spans.charge_id = parts.charge_id
            and spans.part_number = parts.part_number

),

values_daily as (

    select
        tenant_id,
        dimension_id,
        usage_date::timestamp at time zone 'UTC' as started_at,
        usage_group,
        metadata_key,
        metadata_value
    from {{ ref('int_usage_values_daily') }}
    where record_count > 0

),

-- Days that lie in a span as a whole: what they hold is known without reading the journal.
whole_days as (

    select
        counted_spans.invoice_id,
        counted_spans.charge_id,
        counted_spans.part_number,
        {{ group_by_keys('values_daily.usage_group', 'counted_spans.price_keys') }}
            as pricing_group,
        values_daily.metadata_value
    from counted_spans
    inner join values_daily
        on
            counted_spans.tenant_id = values_daily.tenant_id
            and counted_spans.dimension_id = values_daily.dimension_id
            and counted_spans.distinct_on = values_daily.metadata_key
            and counted_spans.span_start_at <= values_daily.started_at
            and counted_spans.span_end_at >= values_daily.started_at + interval '1 day'
            and {{ meets_filter('values_daily.usage_group', 'counted_spans.usage_filter') }}

),

cut_days as (

    select distinct {{ utc_day('span_start_at') }} as started_at
    from counted_spans
    where span_start_at <> {{ utc_day('span_start_at') }}

    union distinct

    select distinct {{ utc_day('span_end_at') }} as started_at
    from counted_spans
    where span_end_at <> {{ utc_day('span_end_at') }}

),

-- Of the journal, the days that a span cuts are read and nothing else.
cut_entries as (

    select
        entries.record_key,
        entries.is_reversal,
        entries.sign,
        entries.tenant_id,
        entries.dimension_id,
        entries.occurred_at,
        {{ usage_group('entries.metadata', 'group_keys.metadata_keys') }} as usage_group,
        entries.metadata,
        cut_days.started_at
    from cut_days
    {{
        look_through(
            ref('jnl_usage_entries'),
            'entries',
            'occurred_at',
            'cut_days.started_at',
            "cut_days.started_at + interval '1 day'"
        )
    }}
    inner join parameters
        on entries.build_number <= parameters.journal_watermark
    left join group_keys
        on entries.dimension_id = group_keys.dimension_id
    where
        (entries.tenant_id, entries.dimension_id) in (
            select
                counted_spans.tenant_id,
                counted_spans.dimension_id
            from counted_spans
        )

),

cut_values as (

    select
        counted_spans.invoice_id,
        counted_spans.charge_id,
        counted_spans.part_number,
        {{ group_by_keys('entries.usage_group', 'counted_spans.price_keys') }} as pricing_group,
        {{ json_text('entries.metadata', 'counted_spans.distinct_on') }} as metadata_value
    from cut_entries as entries
    inner join counted_spans
        on
            entries.tenant_id = counted_spans.tenant_id
            and entries.dimension_id = counted_spans.dimension_id
            and entries.occurred_at >= counted_spans.span_start_at
            and entries.occurred_at < counted_spans.span_end_at
            and (
                entries.started_at < counted_spans.span_start_at
                or entries.started_at + interval '1 day' > counted_spans.span_end_at
            )
            and {{ meets_filter('entries.usage_group', 'counted_spans.usage_filter') }}
    left join cut_entries as reversals
        on
            entries.record_key = reversals.record_key
            and reversals.is_reversal
    where
        entries.sign = 1
        and reversals.record_key is null

),

-- Distinct values do not add up over days: they are counted over all of them.
counts as (

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        count(distinct metadata_value) as distinct_count
    from (
        select *
        from whole_days

        union all

        select *
        from cut_values
    ) as found
    group by invoice_id, charge_id, part_number, pricing_group

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    pricing_group::jsonb as pricing_group,
    distinct_count::bigint as distinct_count
from counts
