select
    price_id,
    rate_number,
    match,
    rate
from {{ source('catalog', 'price_rates') }}
where {{ is_current_version() }}
