with

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        catalog_version,
        dimension_id,
        price_id,
        group_by,
        bucket_every,
        bucket_then,
        timezone,
        is_closed,
        part_start_at,
        part_end_at,
        part_days
    from {{ ref('int_charge_parts') }}

),

periods as (

    select
        invoice_id,
        period_start_at
    from {{ ref('int_contract_periods') }}

),

dimensions as (

    select
        catalog_version,
        dimension_id,
        aggregation,
        distinct_on,
        percentile,
        has_deltas,
        carry_over,
        convert_multiply,
        convert_divide,
        rounding_decimals,
        rounding_mode
    from {{ source('catalog', 'dimensions') }}

),

rates as (

    select
        catalog_version,
        price_id,
        match
    from {{ source('catalog', 'price_rates') }}

),

price_keys as (

    select
        rates.catalog_version,
        rates.price_id,
        jsonb_agg(distinct matched.key) as metadata_keys
    from rates
    cross join lateral jsonb_object_keys(rates.match) as matched (key)
    group by rates.catalog_version, rates.price_id

)

select
    parts.invoice_id::text as invoice_id,
    parts.charge_id::text as charge_id,
    parts.part_number::integer as part_number,
    parts.catalog_version::text as catalog_version,
    parts.price_id::text as price_id,
    coalesce(price_keys.metadata_keys, '[]')::jsonb as price_keys,
    parts.group_by::jsonb as group_by,
    parts.bucket_every::text as bucket_every,
    parts.bucket_then::text as bucket_then,
    parts.timezone::text as timezone,
    parts.is_closed::boolean as is_closed,
    periods.period_start_at::timestamptz as period_start_at,
    parts.part_start_at::timestamptz as part_start_at,
    parts.part_end_at::timestamptz as part_end_at,
    parts.part_days::integer as part_days,
    dimensions.aggregation::text as aggregation,
    dimensions.distinct_on::text as distinct_on,
    dimensions.percentile::numeric as percentile,
    dimensions.has_deltas::boolean as has_deltas,
    dimensions.carry_over::boolean as carry_over,
    dimensions.convert_multiply::numeric(38, 12) as convert_multiply,
    dimensions.convert_divide::numeric(38, 12) as convert_divide,
    dimensions.rounding_decimals::integer as rounding_decimals,
    dimensions.rounding_mode::text as rounding_mode
from parts
inner join periods
    on parts.invoice_id = periods.invoice_id
inner join dimensions
    on
        parts.catalog_version = dimensions.catalog_version
        and parts.dimension_id = dimensions.dimension_id
left join price_keys
    on
        parts.catalog_version = price_keys.catalog_version
        and parts.price_id = price_keys.price_id
