select
    rule_id,
    position,
    source,
    service_name,
    charge_category,
    tag_key,
    tag_value,
    method,
    tenant_tag,
    dimension_id,
    cost_kind
from {{ source('catalog', 'cost_rules') }}
where {{ is_current_version() }}
