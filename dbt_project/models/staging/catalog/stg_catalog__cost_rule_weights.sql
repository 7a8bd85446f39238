select
    rule_id,
    tenant_id,
    weight
from {{ source('catalog', 'cost_rule_weights') }}
where {{ is_current_version() }}
