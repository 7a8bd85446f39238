with

costs as (

    select
        dimension_id,
        date_trunc('month', cost_date::timestamp)::date as cost_month,
        effective_cost,
        currency,
        is_allocated,
        is_estimated
    from {{ ref('fct_tenant_costs_daily') }}
    where
        cost_kind = 'variable'
        and dimension_id is not null

),

usage_months as (

    select
        dimension_id,
        usage_month,
        quantity_sum,
        record_count,
        quantity_min,
        quantity_max,
        quantity_last
    from {{ ref('fct_usage_monthly') }}

),

dimensions as (

    select
        dimension_id,
        unit,
        aggregation,
        convert_multiply,
        convert_divide
    from {{ source('catalog', 'dimensions') }}
    where {{ is_current_version() }}

),

monthly_costs as (

    select
        dimension_id,
        cost_month,
        currency,
        sum(effective_cost) as variable_cost,
        coalesce(sum(effective_cost) filter (where not is_allocated), 0) as unallocated_cost,
        bool_or(is_estimated) as is_estimated
    from costs
    group by dimension_id, cost_month, currency

),

raw_quantities as (

    select
        usage_months.dimension_id,
        usage_months.usage_month,
        sum({{ quantity_by_aggregation('dimensions.aggregation', 'usage_months') }}) as quantity
    from usage_months
    inner join dimensions
        on usage_months.dimension_id = dimensions.dimension_id
    group by usage_months.dimension_id, usage_months.usage_month

),

quantities as (

    select
        raw_quantities.dimension_id,
        raw_quantities.usage_month,
        {{ divide(
            'raw_quantities.quantity * dimensions.convert_multiply', 'dimensions.convert_divide', 9
        ) }} as quantity
    from raw_quantities
    inner join dimensions
        on raw_quantities.dimension_id = dimensions.dimension_id

),

unit_costs as (

    select
        monthly_costs.dimension_id,
        monthly_costs.cost_month,
        monthly_costs.variable_cost,
        monthly_costs.unallocated_cost,
        monthly_costs.currency,
        coalesce(quantities.quantity, 0) as quantity,
        dimensions.unit,
        case
            when quantities.quantity > 0
                then {{ divide('monthly_costs.variable_cost', 'quantities.quantity') }}
        end as unit_cost,
        monthly_costs.is_estimated
    from monthly_costs
    inner join dimensions
        on monthly_costs.dimension_id = dimensions.dimension_id
    left join quantities
        on
            monthly_costs.dimension_id = quantities.dimension_id
            and monthly_costs.cost_month = quantities.usage_month

)

select
    unit_costs.dimension_id::text as dimension_id,
    unit_costs.cost_month::date as cost_month,
    unit_costs.variable_cost::numeric(38, 12) as variable_cost,
    unit_costs.unallocated_cost::numeric(38, 12) as unallocated_cost,
    unit_costs.currency::text as currency,
    unit_costs.quantity::numeric(38, 9) as quantity,
    unit_costs.unit::text as unit,
    unit_costs.unit_cost::numeric(38, 12) as unit_cost,
    unit_costs.is_estimated::boolean as is_estimated,
    {{ in_reporting_currency('unit_costs.variable_cost') }} as reporting_variable_cost,
    {{ in_reporting_currency('unit_costs.unallocated_cost') }} as reporting_unallocated_cost,
    {{ in_reporting_currency('unit_costs.unit_cost') }} as reporting_unit_cost,
    currency_rates.reporting_currency::text as reporting_currency
from unit_costs
{{ join_rate('unit_costs', last_day_of_month('unit_costs.cost_month')) }}
