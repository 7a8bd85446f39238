with

lines as (

    select
        side,
        plan_id,
        currency,
        revenue,
        variable_cost,
        fixed_cost,
        is_comparable,
        reporting_revenue,
        reporting_gross_margin,
        reporting_currency
    from {{ ref('int_backtest_lines') }}
    where plan_id is not null

),

{{ old_and_new(['plan_id', 'currency'], of='plan_id') }}

select
    plan_id::text as plan_id,
    currency::text as currency,
    {{ typed_old_and_new() }}
from compared
