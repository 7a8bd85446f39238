select
    dimension_id,
    name,
    unit,
    aggregation,
    distinct_on,
    convert_multiply,
    convert_divide,
    rounding_decimals,
    rounding_mode,
    carry_over
from {{ source('catalog', 'dimensions') }}
where {{ is_current_version() }}
