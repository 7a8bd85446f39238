with

spans as (

    select
        tenant_id,
        dimension_id,
        usage_filter,
        span_start_at,
        span_end_at,
        status,
        reason,
        contract_id,
        invoice_id,
        charge_id,
        part_number
    from {{ ref('int_metered_spans') }}

)

-- Usage is joined to spans by its month: by time alone, all usage of a tenant would be compared
-- with all of its spans, which grows with the square of history.
select
    spans.tenant_id::text as tenant_id,
    spans.dimension_id::text as dimension_id,
    (months.month_start at time zone 'UTC')::timestamptz as month_start_at,
    spans.usage_filter::jsonb as usage_filter,
    spans.span_start_at::timestamptz as span_start_at,
    spans.span_end_at::timestamptz as span_end_at,
    spans.status::text as status,
    spans.reason::text as reason,
    spans.contract_id::text as contract_id,
    spans.invoice_id::text as invoice_id,
    spans.charge_id::text as charge_id,
    spans.part_number::integer as part_number
from spans
cross join lateral generate_series(
    date_trunc('month', spans.span_start_at at time zone 'UTC'),
    date_trunc('month', (spans.span_end_at - interval '1 microsecond') at time zone 'UTC'),
    interval '1 month'
) as months (month_start)
