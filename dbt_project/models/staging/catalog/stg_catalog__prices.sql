select
    price_id,
    model,
    package_size,
    package_rounding,
    flat_amount,
    timing,
    is_prorated
from {{ source('catalog', 'prices') }}
where {{ is_current_version() }}
