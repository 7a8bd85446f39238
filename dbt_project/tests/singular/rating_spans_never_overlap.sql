-- No usage can be rated twice: spans of one tenant and dimension have no instant in common.
with

spans as (

    select
        tenant_id,
        dimension_id,
        span_start_at,
        span_end_at,
        lead(span_start_at) over (
            partition by tenant_id, dimension_id
            order by span_start_at, span_end_at
        ) as next_start_at
    from {{ ref('int_metered_spans') }}

)

select
    tenant_id,
    dimension_id,
    span_start_at,
    next_start_at
from spans
where next_start_at < span_end_at
