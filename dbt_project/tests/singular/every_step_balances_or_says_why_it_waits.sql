with

reconciliation as (

    select
        subject,
        scope_id,
        unit,
        left_amount,
        right_amount,
        difference,
        cause,
        is_balanced,
        is_pending
    from {{ ref('fct_reconciliation') }}

)

select
    subject,
    scope_id,
    unit,
    left_amount,
    right_amount,
    difference,
    cause
from reconciliation
where
    not is_balanced
    and not is_pending
