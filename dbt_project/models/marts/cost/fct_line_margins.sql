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
    invoice_line_id::text as invoice_line_id,
    invoice_id::text as invoice_id,
    line_number::integer as line_number,
    kind::text as kind,
    customer_id::text as customer_id,
    contract_id::text as contract_id,
    plan_id::text as plan_id,
    charge_id::text as charge_id,
    dimension_id::text as dimension_id,
    period_start::date as period_start,
    period_end::date as period_end,
    revenue_month::date as margin_month,
    currency::text as currency,
    revenue::numeric(38, 12) as revenue,
    variable_cost::numeric(38, 12) as variable_cost,
    fixed_cost::numeric(38, 12) as fixed_cost,
    contribution_margin::numeric(38, 12) as contribution_margin,
    gross_margin::numeric(38, 12) as gross_margin,
    ({{ percent_of('contribution_margin', 'revenue') }})::numeric(38, 4)
        as contribution_margin_percent,
    ({{ percent_of('gross_margin', 'revenue') }})::numeric(38, 4) as gross_margin_percent,
    is_comparable::boolean as is_comparable,
    is_final::boolean as is_final
from margins
