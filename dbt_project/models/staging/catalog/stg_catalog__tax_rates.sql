select
    tax_id,
    rate_number,
    name,
    percent,
    valid_from,
    valid_to,
    country,
    is_inclusive,
    scope
from {{ source('catalog', 'tax_rates') }}
where {{ is_current_version() }}
