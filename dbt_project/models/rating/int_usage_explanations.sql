with

-- Seats that are paid for the days to come are a line of their own, as part 0.
lines as (

    select
        invoice_line_id,
        invoice_id,
        charge_id,
        part_number
    from {{ ref('int_charge_lines') }}
    where
        kind = 'usage'
        or part_number = 0

),

steps as (

    select
        invoice_id,
        charge_id,
        part_number,
        step_number,
        step,
        dimension_id,
        pricing_group,
        tier_number,
        from_quantity,
        up_to,
        record_count,
        quantity,
        unit_amount,
        days,
        of_days,
        exact_amount,
        details
    from {{ ref('int_usage_steps') }}

),

told as (

    select
        lines.invoice_line_id,
        jsonb_agg(
            jsonb_strip_nulls(
                jsonb_build_object(
                    'step', steps.step,
                    'dimension', steps.dimension_id,
                    'group', nullif(steps.pricing_group, '{}'::jsonb),
                    'tier', steps.tier_number,
                    'from', trim_scale(steps.from_quantity),
                    'up_to', trim_scale(steps.up_to),
                    'records', steps.record_count,
                    'quantity', trim_scale(steps.quantity),
                    'unit_amount', trim_scale(steps.unit_amount),
                    'days', steps.days,
                    'of_days', steps.of_days,
                    'amount', trim_scale(steps.exact_amount)
                )
            ) || steps.details
            order by steps.step_number
        ) as steps
    from lines
    inner join steps
        on
            lines.invoice_id = steps.invoice_id
            and lines.charge_id = steps.charge_id
            and lines.part_number = steps.part_number
    group by lines.invoice_line_id

),

grouped as (

    select
        lines.invoice_line_id,
        jsonb_agg(
            jsonb_build_object(
                'group', line_groups.line_group,
                'quantity', line_groups.quantity,
                'amount', line_groups.amount
            )
            order by line_groups.line_group
        ) as groups
    from lines
    inner join {{ ref('int_line_groups') }} as line_groups
        on
            lines.invoice_id = line_groups.invoice_id
            and lines.charge_id = line_groups.charge_id
            and lines.part_number = line_groups.part_number
    group by lines.invoice_line_id

)

select
    told.invoice_line_id::text as invoice_line_id,
    (
        jsonb_build_object('steps', told.steps)
        || case
            when grouped.groups is null then '{}'::jsonb
            else jsonb_build_object('groups', grouped.groups)
        end
    )::jsonb as explanation
from told
left join grouped
    on told.invoice_line_id = grouped.invoice_line_id
