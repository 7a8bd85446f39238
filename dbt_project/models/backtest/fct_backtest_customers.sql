with

lines as (

    select
        side,
        customer_id,
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

{{ old_and_new(['customer_id', 'currency'], of='customer_id') }}

select
    customer_id::text as customer_id,
    currency::text as currency,
    {{ typed_old_and_new() }},
    (
        case sign(revenue_change)
            when 1 then 'pays_more'
            when -1 then 'pays_less'
            when 0 then 'pays_the_same'
        end
    )::text as outcome
from compared
