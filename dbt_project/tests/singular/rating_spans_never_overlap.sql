{{ config(sql_header=hash_joins() ~ ';') }}
-- No usage can be rated twice: spans of one tenant and dimension have no instant in common, unless
-- their filters exclude each other.
with

spans as (

    select
        tenant_id,
        dimension_id,
        usage_filter,
        span_start_at,
        span_end_at,
        lead(span_start_at) over (
            partition by tenant_id, dimension_id, usage_filter
            order by span_start_at, span_end_at
        ) as next_start_at
    from {{ ref('int_metered_spans') }}

)

select
    tenant_id,
    dimension_id,
    span_start_at,
    next_start_at as other_start_at
from spans
where next_start_at < span_end_at

union all

select
    filtered.tenant_id,
    filtered.dimension_id,
    filtered.span_start_at,
    spans.span_start_at as other_start_at
from spans as filtered
inner join spans
    on
        filtered.tenant_id = spans.tenant_id
        and filtered.dimension_id = spans.dimension_id
        and filtered.usage_filter is distinct from spans.usage_filter
        and filtered.span_start_at < spans.span_end_at
        and filtered.span_end_at > spans.span_start_at
where
    filtered.usage_filter is not null
    and {{ filters_may_meet('filtered.usage_filter', 'spans.usage_filter') }}
