select
    customer_id,
    name,
    stripe_customer,
    email,
    country,
    tax_id,
    tax_exempt,
    currency,
    timezone,
    tax_rate_id,
    tax_name,
    tax_percent
from {{ source('catalog', 'customers') }}
where {{ is_current_version() }}
