select
    tenant_id,
    customer_id,
    contract_customer_id
from {{ source('catalog', 'tenants') }}
where {{ is_current_version() }}
