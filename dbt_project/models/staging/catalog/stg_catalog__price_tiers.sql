select
    price_id,
    tier_number,
    from_quantity,
    up_to,
    unit_amount,
    flat_amount
from {{ source('catalog', 'price_tiers') }}
where {{ is_current_version() }}
