with

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        price_keys,
        part_start_at,
        part_end_at,
        percentile
    from {{ ref('int_metered_parts') }}
    where aggregation = 'percentile'

),

spans as (

    select
        tenant_id,
        dimension_id,
        month_start_at,
        usage_filter,
        span_start_at,
        span_end_at,
        invoice_id,
        charge_id,
        part_number
    from {{ ref('int_span_months') }}
    where status = 'rated'

),

moments as (

    select
        tenant_id,
        dimension_id,
        usage_group,
        started_at,
        quantity_sum
    from {{ ref('int_usage_moments') }}
    where grain = 'bucket'

),

-- Within a bucket, what the tenants of a customer have adds up. Everywhere a day begins with one.
buckets as (

    select
        parts.invoice_id,
        parts.charge_id,
        parts.part_number,
        {{ group_by_keys('moments.usage_group', 'parts.price_keys') }} as pricing_group,
        parts.percentile,
        extract(epoch from parts.part_end_at - parts.part_start_at) / 300 as bucket_count,
        moments.started_at,
        sum(moments.quantity_sum) as quantity
    from parts
    inner join spans
        on
            parts.invoice_id = spans.invoice_id
            and parts.charge_id = spans.charge_id
            and parts.part_number = spans.part_number
    inner join moments
        on
            spans.tenant_id = moments.tenant_id
            and spans.dimension_id = moments.dimension_id
            and spans.month_start_at = {{ utc_month('moments.started_at') }}
            and spans.span_start_at <= moments.started_at
            and spans.span_end_at > moments.started_at
            and {{ meets_filter('moments.usage_group', 'spans.usage_filter') }}
    group by
        parts.invoice_id,
        parts.charge_id,
        parts.part_number,
        pricing_group,
        parts.percentile,
        parts.part_end_at,
        parts.part_start_at,
        moments.started_at

),

numbered as (

    select
        buckets.*,
        row_number() over series as position,
        count(*) over (
            partition by
                buckets.invoice_id,
                buckets.charge_id,
                buckets.part_number,
                buckets.pricing_group
        ) as used_count,
        ceil(buckets.bucket_count * buckets.percentile / 100) as wanted_rank
    from buckets
    window series as (
        partition by
            buckets.invoice_id,
            buckets.charge_id,
            buckets.part_number,
            buckets.pricing_group
        order by buckets.quantity, buckets.started_at
    )

),

-- Buckets without usage are zero: they come after what corrections have made negative, and before
-- all else. The percentile is the value of the bucket at its rank, the lowest being the first.
ranked as (

    select
        numbered.*,
        case
            when numbered.quantity < 0 then numbered.position
            else numbered.position + numbered.bucket_count - numbered.used_count
        end as rank
    from numbered

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    pricing_group::jsonb as pricing_group,
    coalesce(max(quantity) filter (where rank = wanted_rank), 0)::numeric(38, 9) as quantity
from ranked
group by invoice_id, charge_id, part_number, pricing_group
