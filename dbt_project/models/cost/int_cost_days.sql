with

ruled_cost_lines as (

    select
        cost_line_id,
        charge_period_start,
        charge_period_end,
        billed_cost,
        effective_cost
    from {{ ref('int_ruled_cost_lines') }}

),

days as (

    select
        ruled_cost_lines.cost_line_id,
        ruled_cost_lines.billed_cost,
        ruled_cost_lines.effective_cost,
        touched.day_start::date as cost_date,
        {{ microseconds_touched(
            'touched.day_start',
            'ruled_cost_lines.charge_period_start',
            'ruled_cost_lines.charge_period_end',
        ) }} as microseconds
    from ruled_cost_lines
    cross join
        lateral
        {{ days_touched(
            'ruled_cost_lines.charge_period_start',
            'ruled_cost_lines.charge_period_end',
        ) }} as touched (day_start)

),

parts as (

    {{ split_amounts(
        relation='days',
        whole=['cost_line_id'],
        part='cost_date',
        weight='microseconds',
        amounts=['billed_cost', 'effective_cost'],
    ) }}

)

select
    cost_line_id::text as cost_line_id,
    cost_date::date as cost_date,
    billed_cost::numeric(38, 12) as billed_cost,
    effective_cost::numeric(38, 12) as effective_cost
from parts
