select
    contract_id,
    customer_id,
    plan_id,
    start_date,
    end_date,
    anchor_day,
    billing_start_date,
    minimum_amount
from {{ source('catalog', 'contracts') }}
where {{ is_current_version() }}
