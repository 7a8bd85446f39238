with

lines as (

    select
        side,
        margin_month,
        currency,
        revenue,
        variable_cost,
        fixed_cost,
        is_comparable,
        reporting_revenue,
        reporting_gross_margin,
        reporting_currency
    from {{ ref('int_backtest_lines') }}

),

{{ old_and_new(['margin_month', 'currency']) }}

select
    margin_month::date as margin_month,
    currency::text as currency,
    {{ typed_old_and_new() }}
from compared
