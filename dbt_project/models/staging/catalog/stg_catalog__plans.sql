select
    plan_id,
    name,
    currency,
    minor_units,
    interval
from {{ source('catalog', 'plans') }}
where {{ is_current_version() }}
