with

revenue_lines as (

    select
        invoice_line_id,
        invoice_id,
        line_number,
        kind,
        customer_id,
        contract_id,
        plan_id,
        charge_id,
        dimension_id,
        period_start,
        period_end,
        revenue_month,
        revenue,
        currency,
        is_final
    from {{ ref('int_revenue_lines') }}

),

line_costs as (

    select
        invoice_line_id,
        currency,
        variable_cost,
        fixed_cost
    from {{ ref('int_line_costs') }}

),

other_currencies as (

    select distinct line_costs.invoice_line_id
    from line_costs
    inner join revenue_lines
        on line_costs.invoice_line_id = revenue_lines.invoice_line_id
    where line_costs.currency <> revenue_lines.currency

),

lines as (

    select
        revenue_lines.*,
        coalesce(line_costs.variable_cost, 0) as variable_cost,
        coalesce(line_costs.fixed_cost, 0) as fixed_cost,
        other_currencies.invoice_line_id is null as is_comparable
    from revenue_lines
    left join line_costs
        on
            revenue_lines.invoice_line_id = line_costs.invoice_line_id
            and revenue_lines.currency = line_costs.currency
    left join other_currencies
        on revenue_lines.invoice_line_id = other_currencies.invoice_line_id

),

margins as (

    select
        lines.*,
        {{ contribution_margin('lines') }} as contribution_margin,
        {{ gross_margin('lines') }} as gross_margin
    from lines

)

select
    margins.invoice_line_id::text as invoice_line_id,
    margins.invoice_id::text as invoice_id,
    margins.line_number::integer as line_number,
    margins.kind::text as kind,
    margins.customer_id::text as customer_id,
    margins.contract_id::text as contract_id,
    margins.plan_id::text as plan_id,
    margins.charge_id::text as charge_id,
    margins.dimension_id::text as dimension_id,
    margins.period_start::date as period_start,
    margins.period_end::date as period_end,
    margins.revenue_month::date as margin_month,
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
{{ join_rate('margins', last_day_of_month('margins.revenue_month')) }}
