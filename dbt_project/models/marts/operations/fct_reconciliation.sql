with

comparisons as (

    select
        subject,
        scope_id,
        unit,
        left_name,
        left_amount,
        right_name,
        right_amount,
        pending_cause,
        failure_cause
    from {{ ref('int_usage_comparisons') }}

    union all

    select
        subject,
        scope_id,
        unit,
        left_name,
        left_amount,
        right_name,
        right_amount,
        pending_cause,
        failure_cause
    from {{ ref('int_amount_comparisons') }}

),

compared as (

    select
        subject,
        scope_id,
        unit,
        left_name,
        left_amount,
        right_name,
        right_amount,
        pending_cause,
        failure_cause,
        coalesce(left_amount = right_amount, false) as is_balanced
    from comparisons

)

select
    {{ key_of(['subject', 'scope_id', 'unit']) }}::text as reconciliation_id,
    subject::text as subject,
    scope_id::text as scope_id,
    unit::text as unit,
    left_name::text as left_name,
    left_amount::numeric(50, 12) as left_amount,
    right_name::text as right_name,
    right_amount::numeric(50, 12) as right_amount,
    (left_amount - right_amount)::numeric(50, 12) as difference,
    case when not is_balanced then coalesce(pending_cause, failure_cause) end::text as cause,
    is_balanced::boolean as is_balanced,
    (not is_balanced and pending_cause is not null)::boolean as is_pending
from compared
