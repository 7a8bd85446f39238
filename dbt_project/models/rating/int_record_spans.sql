with

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        catalog_version,
        price_id,
        convert_multiply,
        convert_divide,
        rounding_decimals,
        rounding_mode
    from {{ ref('int_metered_parts') }}

),

prices as (

    select
        catalog_version,
        price_id,
        fixed_amount,
        free_records,
        free_amount,
        record_minimum,
        record_maximum
    from {{ source('catalog', 'prices') }}
    where
        free_records > 0
        or free_amount > 0
        or record_minimum is not null
        or record_maximum is not null

),

tiers as (

    select
        catalog_version,
        price_id,
        unit_amount
    from {{ source('catalog', 'price_tiers') }}
    where tier_number = 1

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

)

select
    spans.invoice_id::text as invoice_id,
    spans.charge_id::text as charge_id,
    spans.part_number::integer as part_number,
    spans.tenant_id::text as tenant_id,
    spans.dimension_id::text as dimension_id,
    spans.usage_filter::jsonb as usage_filter,
    spans.span_start_at::timestamptz as span_start_at,
    spans.span_end_at::timestamptz as span_end_at,
    parts.convert_multiply::numeric(38, 12) as convert_multiply,
    parts.convert_divide::numeric(38, 12) as convert_divide,
    parts.rounding_decimals::integer as rounding_decimals,
    parts.rounding_mode::text as rounding_mode,
    tiers.unit_amount::numeric(38, 12) as unit_amount,
    prices.fixed_amount::numeric(38, 12) as fixed_amount,
    prices.free_records::bigint as free_records,
    prices.free_amount::numeric(38, 12) as free_amount,
    prices.record_minimum::numeric(38, 12) as record_minimum,
    prices.record_maximum::numeric(38, 12) as record_maximum
from spans
inner join parts
    on
        spans.invoice_id = parts.invoice_id
        and spans.charge_id = parts.charge_id
        and spans.part_number = parts.part_number
inner join prices
    on
        parts.catalog_version = prices.catalog_version
        and parts.price_id = prices.price_id
inner join tiers
    on
        parts.catalog_version = tiers.catalog_version
        and parts.price_id = tiers.price_id
