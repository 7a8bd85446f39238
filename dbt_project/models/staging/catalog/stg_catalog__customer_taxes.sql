select
    customer_id,
    tax_id,
    position
from {{ source('catalog', 'customer_taxes') }}
where {{ is_current_version() }}
