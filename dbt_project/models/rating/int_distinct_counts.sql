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
        catalog_version,
        dimension_id
    from {{ ref('int_charge_parts') }}

),

dimensions as (

    select
        catalog_version,
        dimension_id,
        distinct_on
    from {{ source('catalog', 'dimensions') }}
    where aggregation = 'count_distinct'

),

spans as (

    select
        tenant_id,
        dimension_id,
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
        spans.span_start_at,
        spans.span_end_at,
        spans.invoice_id,
        spans.charge_id,
        spans.part_number,
        dimensions.distinct_on
    from spans
    inner join parts
        on
            spans.invoice_id = parts.invoice_id
            and spans.charge_id = parts.charge_id
            and spans.part_number = parts.part_number
    inner join dimensions
        on
            parts.catalog_version = dimensions.catalog_version
            and parts.dimension_id = dimensions.dimension_id

),

journal as (

    select
        record_key,
        is_reversal,
        sign,
        tenant_id,
        dimension_id,
        occurred_at,
        metadata,
        build_number
    from {{ ref('jnl_usage_entries') }}

),

entries as (

    select
        journal.record_key,
        journal.is_reversal,
        journal.sign,
        journal.tenant_id,
        journal.dimension_id,
        journal.occurred_at,
        journal.metadata
    from journal
    inner join parameters
        on journal.build_number <= parameters.journal_watermark

),

-- Distinct values do not add up over hours: they are counted in the journal itself.
counts as (

    select
        counted_spans.invoice_id,
        counted_spans.charge_id,
        counted_spans.part_number,
        count(
            distinct {{ json_text('entries.metadata', 'counted_spans.distinct_on') }}
        ) as distinct_count
    from counted_spans
    inner join entries
        on
            counted_spans.tenant_id = entries.tenant_id
            and counted_spans.dimension_id = entries.dimension_id
            and counted_spans.span_start_at <= entries.occurred_at
            and counted_spans.span_end_at > entries.occurred_at
    left join entries as reversals
        on
            entries.record_key = reversals.record_key
            and reversals.is_reversal
    where
        entries.sign = 1
        and reversals.record_key is null
    group by counted_spans.invoice_id, counted_spans.charge_id, counted_spans.part_number

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    distinct_count::bigint as distinct_count
from counts
