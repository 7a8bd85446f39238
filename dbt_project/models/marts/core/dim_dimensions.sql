with

dimensions as (

    select
        dimension_id,
        name,
        unit,
        aggregation,
        distinct_on,
        convert_multiply,
        convert_divide,
        rounding_decimals,
        rounding_mode
    from {{ source('catalog', 'dimensions') }}
    where {{ is_current_version() }}

),

used_dimensions as (

    select distinct dimension_id
    from {{ ref('fct_usage_monthly') }}

),

-- A dimension that the catalog does not know yet is one all the same: it has usage.
known_dimensions as (

    select dimension_id
    from dimensions

    union distinct

    select dimension_id
    from used_dimensions

)

select
    known_dimensions.dimension_id::text as dimension_id,
    coalesce(dimensions.name, known_dimensions.dimension_id)::text as dimension_name,
    dimensions.unit::text as unit,
    dimensions.aggregation::text as aggregation,
    dimensions.distinct_on::text as distinct_on,
    dimensions.convert_multiply::numeric(38, 12) as convert_multiply,
    dimensions.convert_divide::numeric(38, 12) as convert_divide,
    dimensions.rounding_decimals::integer as rounding_decimals,
    dimensions.rounding_mode::text as rounding_mode,
    (dimensions.dimension_id is not null)::boolean as is_in_catalog
from known_dimensions
left join dimensions
    on known_dimensions.dimension_id = dimensions.dimension_id
