with

customer_costs as (

    select
        customer_cost_id,
        customer_id,
        cost_date,
        cost_kind,
        dimension_id,
        currency,
        effective_cost
    from {{ ref('int_customer_costs') }}

),

carriers as (

    select
        invoice_line_id,
        kind,
        customer_id,
        dimension_id,
        period_start,
        period_end,
        revenue
    from {{ ref('int_revenue_lines') }}
    -- The seats of a day are on their usage line, whether they were paid in advance or not.
    where
        kind in ('usage', 'fee', 'minimum', 'commitment')
        and not (kind = 'fee' and dimension_id is not null)

),

candidates as (

    select
        customer_costs.customer_cost_id,
        customer_costs.cost_kind,
        customer_costs.currency,
        customer_costs.effective_cost,
        carriers.invoice_line_id,
        coalesce(
            carriers.kind = 'usage' and carriers.dimension_id = customer_costs.dimension_id, false
        ) as is_own,
        {{ divide(
            'greatest(carriers.revenue, 0)', '(carriers.period_end - carriers.period_start)'
        ) }} as daily_revenue
    from customer_costs
    inner join carriers
        on
            customer_costs.customer_id = carriers.customer_id
            and customer_costs.cost_date >= carriers.period_start
            and customer_costs.cost_date < carriers.period_end

),

-- A dimension's cost belongs to the lines that bill the dimension; where there is none, and for
-- cost of no dimension, to all lines of the day by what they earn per day.
ranked as (

    select
        customer_cost_id,
        cost_kind,
        currency,
        effective_cost,
        invoice_line_id,
        is_own,
        daily_revenue,
        bool_or(is_own) over (partition by customer_cost_id) as has_own,
        sum(daily_revenue) over (partition by customer_cost_id, is_own) as total_daily_revenue
    from candidates

),

weighted as (

    select
        customer_cost_id,
        cost_kind,
        currency,
        effective_cost,
        invoice_line_id,
        case when total_daily_revenue > 0 then daily_revenue else 1 end as weight
    from ranked
    where is_own = has_own

),

parts as (

    {{ split_amounts(
        relation='weighted',
        whole=['customer_cost_id', 'cost_kind', 'currency'],
        part='invoice_line_id',
        weight='weight',
        amounts=['effective_cost'],
    ) }}

),

line_costs as (

    select
        invoice_line_id,
        currency,
        sum(effective_cost) filter (where cost_kind = 'variable') as variable_cost,
        sum(effective_cost) filter (where cost_kind = 'fixed') as fixed_cost
    from parts
    group by invoice_line_id, currency

)

select
    invoice_line_id::text as invoice_line_id,
    currency::text as currency,
    coalesce(variable_cost, 0)::numeric(38, 12) as variable_cost,
    coalesce(fixed_cost, 0)::numeric(38, 12) as fixed_cost
from line_costs
