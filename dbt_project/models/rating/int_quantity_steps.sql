with

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        catalog_version,
        dimension_id,
        price_id,
        bucket_every,
        bucket_then
    from {{ ref('int_charge_parts') }}
    where dimension_id is not null

),

dimensions as (

    select
        catalog_version,
        dimension_id,
        convert_multiply,
        convert_divide,
        rounding_decimals,
        rounding_mode
    from {{ source('catalog', 'dimensions') }}

),

prices as (

    select
        catalog_version,
        price_id,
        model
    from {{ source('catalog', 'prices') }}

),

group_quantities as (

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        aggregation,
        record_count,
        aggregate_quantity,
        quantity,
        rate
    from {{ ref('int_group_quantities') }}

),

-- What is measured beside a capacity (capacity/users) is a step of the capacity's line.
measured as (

    select
        group_quantities.invoice_id,
        split_part(group_quantities.charge_id, '/', 1) as charge_id,
        group_quantities.part_number,
        parts.dimension_id,
        group_quantities.pricing_group,
        group_quantities.aggregation,
        group_quantities.record_count,
        group_quantities.aggregate_quantity,
        group_quantities.quantity,
        group_quantities.rate,
        parts.bucket_every,
        parts.bucket_then,
        prices.model,
        dimensions.convert_multiply,
        dimensions.convert_divide,
        dimensions.rounding_decimals,
        dimensions.rounding_mode
    from group_quantities
    inner join parts
        on
            group_quantities.invoice_id = parts.invoice_id
            and group_quantities.charge_id = parts.charge_id
            and group_quantities.part_number = parts.part_number
    inner join prices
        on
            parts.catalog_version = prices.catalog_version
            and parts.price_id = prices.price_id
    inner join dimensions
        on
            parts.catalog_version = dimensions.catalog_version
            and parts.dimension_id = dimensions.dimension_id

),

steps as (

    select
        measured.*,
        1 as stage,
        'aggregate' as step,
        measured.record_count as step_record_count,
        measured.aggregate_quantity as step_quantity,
        jsonb_build_object(
            'aggregation', measured.aggregation,
            'bucket_every', measured.bucket_every,
            'bucket_then', measured.bucket_then
        ) as details
    from measured

    union all

    select
        measured.*,
        2 as stage,
        'conversion' as step,
        null as step_record_count,
        measured.quantity as step_quantity,
        jsonb_build_object(
            'multiply', trim_scale(measured.convert_multiply),
            'divide', trim_scale(measured.convert_divide),
            'decimals', measured.rounding_decimals,
            'mode', measured.rounding_mode
        ) as details
    from measured
    where measured.quantity <> measured.aggregate_quantity

    union all

    select
        measured.*,
        3 as stage,
        'credits' as step,
        null as step_record_count,
        round(measured.quantity * measured.rate, 9) as step_quantity,
        jsonb_build_object('rate', trim_scale(measured.rate)) as details
    from measured
    where measured.model = 'credits'

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    stage::integer as stage,
    step::text as step,
    dimension_id::text as dimension_id,
    pricing_group::jsonb as pricing_group,
    step_record_count::bigint as record_count,
    step_quantity::numeric(38, 9) as quantity,
    jsonb_strip_nulls(details)::jsonb as details
from steps
