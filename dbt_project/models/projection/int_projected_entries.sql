with

parameters as (

    select catalog_version
    from {{ source('ops', 'parameters') }}

),

projection as (

    select
        projected_from,
        projected_until
    from {{ ref('int_projection') }}

),

dimensions as (

    select
        catalog_version,
        dimension_id,
        aggregation
    from {{ source('catalog', 'dimensions') }}

),

charges as (

    select
        catalog_version,
        dimension_id,
        bucket_every
    from {{ source('catalog', 'charges') }}

),

-- A level holds until it changes; but buckets know only what is recorded in them.
repeated_dimensions as (

    select dimensions.dimension_id
    from dimensions
    inner join parameters
        on dimensions.catalog_version = parameters.catalog_version
    left join charges
        on
            dimensions.catalog_version = charges.catalog_version
            and dimensions.dimension_id = charges.dimension_id
    group by dimensions.dimension_id, dimensions.aggregation
    having
        dimensions.aggregation not in ('latest', 'time_weighted')
        or count(charges.bucket_every) > 0

),

entries as (

    select
        occurred_at,
        record_key,
        delivery_id,
        row_number,
        build_number,
        sign,
        is_reversal,
        tenant_id,
        dimension_id,
        value,
        record_id,
        metadata,
        corrects_key
    from {{ ref('jnl_usage_entries') }}

),

reversals as (

    select record_key
    from entries
    where is_reversal

),

standing_entries as (

    select entries.*
    from entries
    inner join repeated_dimensions
        on entries.dimension_id = repeated_dimensions.dimension_id
    left join reversals
        on entries.record_key = reversals.record_key
    where
        entries.sign = 1
        and reversals.record_key is null

),

-- How much of the past is repeated: a week or, of what began less than a week ago, its whole days.
cycles as (

    select
        standing_entries.tenant_id,
        standing_entries.dimension_id,
        make_interval(days => least(greatest(
            floor(
                extract(
                    epoch from projection.projected_from - min(standing_entries.occurred_at)
                ) / 86400
            )::integer,
            1
        ), 7)) as cycle
    from standing_entries
    cross join projection
    where standing_entries.occurred_at < projection.projected_from
    group by
        standing_entries.tenant_id,
        standing_entries.dimension_id,
        projection.projected_from

),

projected as (

    select
        standing_entries.*,
        repetitions.projected_at
    from standing_entries
    inner join cycles
        on
            standing_entries.tenant_id = cycles.tenant_id
            and standing_entries.dimension_id = cycles.dimension_id
    inner join projection
        on
            standing_entries.occurred_at < projection.projected_from
            and standing_entries.occurred_at >= projection.projected_from - cycles.cycle
    cross join lateral generate_series(
        standing_entries.occurred_at + cycles.cycle,
        projection.projected_until - interval '1 microsecond',
        cycles.cycle
    ) as repetitions (projected_at)

)

select
    projected_at::timestamptz as occurred_at,
    md5(record_key || '/' || projected_at)::uuid as record_key,
    delivery_id::integer as delivery_id,
    row_number::integer as row_number,
    build_number::integer as build_number,
    sign::smallint as sign,
    is_reversal::boolean as is_reversal,
    tenant_id::text as tenant_id,
    dimension_id::text as dimension_id,
    value::numeric(38, 9) as value,
    record_id::text as record_id,
    metadata::json as metadata,
    null::uuid as corrects_key
from projected
