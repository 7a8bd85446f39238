with

line_margins as (

    select
        plan_id,
        margin_month,
        currency,
        revenue,
        variable_cost,
        fixed_cost,
        is_comparable,
        is_final
    from {{ ref('fct_line_margins') }}
    where plan_id is not null

),

months as (

    select
        plan_id,
        margin_month,
        currency,
        sum(revenue) as revenue,
        sum(variable_cost) as variable_cost,
        sum(fixed_cost) as fixed_cost,
        bool_and(is_comparable) as is_comparable,
        bool_and(is_final) as is_final
    from line_margins
    group by plan_id, margin_month, currency

),

margins as (

    select
        months.*,
        {{ contribution_margin('months') }} as contribution_margin,
        {{ gross_margin('months') }} as gross_margin
    from months

)

select
    margins.plan_id::text as plan_id,
    margins.margin_month::date as margin_month,
    margins.currency::text as currency,
    margins.revenue::numeric(38, 12) as revenue,
    margins.variable_cost::numeric(38, 12) as variable_cost,
    margins.fixed_cost::numeric(38, 12) as fixed_cost,
    margins.contribution_margin::numeric(38, 12) as contribution_margin,
    margins.gross_margin::numeric(38, 12) as gross_margin,
    ({{ percent_of('contribution_margin', 'revenue') }})::numeric(38, 4)
        as contribution_margin_percent,
    ({{ percent_of('gross_margin', 'revenue') }})::numeric(38, 4) as gross_margin_percent,
    margins.is_comparable::boolean as is_comparable,
    margins.is_final::boolean as is_final,
    {{ reporting_margins('margins') }}
from margins
{{ join_rate('margins', last_day_of_month('margins.margin_month')) }}
