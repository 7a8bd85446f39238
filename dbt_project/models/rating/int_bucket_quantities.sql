with

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        price_keys,
        bucket_every,
        bucket_then,
        timezone,
        part_start_at,
        part_end_at,
        part_days,
        aggregation
    from {{ ref('int_metered_parts') }}
    where bucket_every is not null

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

cells as (

    select
        tenant_id,
        dimension_id,
        usage_group,
        started_at,
        {{ usage_values() }}
    from {{ ref('int_usage_cells') }}

),

-- An hour is one of UTC, a day one of the customer; no cell reaches beyond either.
bucketed as (

    select
        parts.invoice_id,
        parts.charge_id,
        parts.part_number,
        parts.bucket_every,
        parts.bucket_then,
        parts.timezone,
        case
            when parts.bucket_every = 'hour' then {{ utc_hour('cells.started_at') }}
            else date_trunc('day', cells.started_at, parts.timezone)
        end as bucket_start_at,
        case
            when parts.bucket_every = 'day' then parts.part_days
            else ceil(
                extract(epoch from parts.part_end_at - {{ utc_hour('parts.part_start_at') }}) / 3600
            )
        end as bucket_count,
        parts.aggregation,
        {{ group_by_keys('cells.usage_group', 'parts.price_keys') }} as pricing_group,
        cells.tenant_id,
        {{ usage_values('cells') }}
    from parts
    inner join spans
        on
            parts.invoice_id = spans.invoice_id
            and parts.charge_id = spans.charge_id
            and parts.part_number = spans.part_number
    inner join cells
        on
            spans.tenant_id = cells.tenant_id
            and spans.dimension_id = cells.dimension_id
            and spans.month_start_at = {{ utc_month('cells.started_at') }}
            and spans.span_start_at <= cells.started_at
            and spans.span_end_at > cells.started_at
            and {{ meets_filter('cells.usage_group', 'spans.usage_filter') }}

),

tenant_buckets as (

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        bucket_every,
        bucket_then,
        timezone,
        bucket_count,
        bucket_start_at,
        aggregation,
        tenant_id,
        {{ usage_values_of_cells() }}
    from bucketed
    group by
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        bucket_every,
        bucket_then,
        timezone,
        bucket_count,
        bucket_start_at,
        aggregation,
        tenant_id
    -- A bucket of which all was taken back is one without usage.
    having sum(record_count) > 0

),

-- Within a bucket, what the tenants of a customer have adds up.
buckets as (

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        bucket_every,
        bucket_then,
        timezone,
        bucket_count,
        bucket_start_at,
        sum(record_count) as record_count,
        sum({{ aggregate_of_values('aggregation') }}) as quantity
    from tenant_buckets
    group by
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        bucket_every,
        bucket_then,
        timezone,
        bucket_count,
        bucket_start_at

),

-- Buckets in which nothing was used count in an average, as zero.
combined as (

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        sum(record_count) as record_count,
        case bucket_then
            when 'sum' then sum(quantity)
            when 'max' then max(quantity)
            when 'average' then {{ divide('sum(quantity)', 'bucket_count', 18) }}
        end as quantity
    from buckets
    where bucket_then <> 'price'
    group by invoice_id, charge_id, part_number, pricing_group, bucket_then, bucket_count

    union all

    -- Each bucket has a price of its own: the price tells it from the others.
    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group || jsonb_build_object(
            bucket_every,
            case bucket_every
                when 'day' then {{ local_date('bucket_start_at', 'timezone') }}::text
                else to_char(bucket_start_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"')
            end
        ) as pricing_group,
        record_count,
        quantity
    from buckets
    where bucket_then = 'price'

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    pricing_group::jsonb as pricing_group,
    record_count::bigint as record_count,
    quantity::numeric(76, 18) as quantity
from combined
