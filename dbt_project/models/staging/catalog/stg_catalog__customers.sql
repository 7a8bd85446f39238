select
    customer_id,
    parent_id,
    billed_customer_id,
    name,
    stripe_customer,
    email,
    country,
    tax_id,
    tax_exempt,
    currency,
    timezone,
    is_taxed_by_stripe
from {{ source('catalog', 'customers') }}
where {{ is_current_version() }}
