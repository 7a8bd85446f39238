{{ config(schema='rating', contract={'enforced': false}) }}

with

comparison as (

    select
        window_start,
        window_end
    from {{ source('backtest', 'comparison') }}

),

lines as (

    select
        'old' as side,
        invoice_line_id,
        customer_id,
        plan_id,
        period_start,
        margin_month,
        currency,
        revenue,
        variable_cost,
        fixed_cost,
        is_comparable,
        reporting_revenue,
        reporting_gross_margin,
        reporting_currency
    from {{ source('backtest_old', 'fct_line_margins') }}

    union all

    select
        'new' as side,
        invoice_line_id,
        customer_id,
        plan_id,
        period_start,
        margin_month,
        currency,
        revenue,
        variable_cost,
        fixed_cost,
        is_comparable,
        reporting_revenue,
        reporting_gross_margin,
        reporting_currency
    from {{ ref('fct_line_margins') }}

)

-- All history is rated, for terms have a memory; the window is what is compared. A line has the
-- cost in its own currency only: where it carries other cost too, its margin is not known in any.
select
    lines.side::text as side,
    lines.invoice_line_id::text as invoice_line_id,
    lines.customer_id::text as customer_id,
    lines.plan_id::text as plan_id,
    lines.margin_month::date as margin_month,
    lines.currency::text as currency,
    lines.revenue::numeric(38, 12) as revenue,
    lines.variable_cost::numeric(38, 12) as variable_cost,
    lines.fixed_cost::numeric(38, 12) as fixed_cost,
    lines.is_comparable::boolean as is_comparable,
    lines.reporting_revenue::numeric(38, 12) as reporting_revenue,
    (case when lines.is_comparable then lines.reporting_gross_margin end)::numeric(38, 12)
        as reporting_gross_margin,
    lines.reporting_currency::text as reporting_currency
from lines
inner join comparison
    on
        lines.period_start >= comparison.window_start
        and lines.period_start < comparison.window_end
