select
    plan_id,
    charge_id,
    position,
    name,
    dimension_id,
    included_quantity,
    price_id
from {{ source('catalog', 'charges') }}
where {{ is_current_version() }}
