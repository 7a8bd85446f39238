with recursive

periods as (

    select
        invoice_id,
        contract_id,
        catalog_version,
        minor_units
    from {{ ref('int_contract_periods') }}

),

charge_lines as (

    select
        invoice_line_id,
        invoice_id,
        charge_id,
        part_number,
        position,
        dimension_id,
        period_start,
        period_end,
        exact_amount,
        description
    from {{ ref('int_charge_lines') }}

),

discounts as (

    select
        catalog_version,
        contract_id,
        discount_number,
        charge_id,
        percent,
        valid_from,
        valid_to
    from {{ source('catalog', 'contract_discounts') }}

),

matching as (

    select
        charge_lines.invoice_line_id,
        charge_lines.exact_amount,
        discounts.discount_number,
        discounts.percent,
        least(charge_lines.period_end, discounts.valid_to)
        - greatest(charge_lines.period_start, discounts.valid_from) as discounted_days,
        charge_lines.period_end - charge_lines.period_start as line_days,
        row_number() over (
            partition by charge_lines.invoice_line_id
            order by discounts.discount_number
        ) as step
    from charge_lines
    inner join periods
        on charge_lines.invoice_id = periods.invoice_id
    inner join discounts
        on
            periods.catalog_version = discounts.catalog_version
            and periods.contract_id = discounts.contract_id
            and charge_lines.charge_id = discounts.charge_id
            and charge_lines.period_end > discounts.valid_from
            and (discounts.valid_to is null or charge_lines.period_start < discounts.valid_to)

),

-- Several discounts on a line apply one after the other, each to what the one before it left. One
-- that holds for some of the line's days takes its share of them.
applied as (

    select
        invoice_line_id,
        discount_number,
        percent,
        step,
        discounted_days,
        line_days,
        exact_amount as base_amount,
        {{ divide('exact_amount * percent * discounted_days', '100 * line_days', 12) }}
        ::numeric(38, 12) as discount_amount
    from matching
    where step = 1

    union all

    select
        matching.invoice_line_id,
        matching.discount_number,
        matching.percent,
        matching.step,
        matching.discounted_days,
        matching.line_days,
        (applied.base_amount - applied.discount_amount)::numeric(38, 12) as base_amount,
        {{ divide(
            '(applied.base_amount - applied.discount_amount) * matching.percent'
            ' * matching.discounted_days',
            '100 * matching.line_days',
            12
        ) }}::numeric(38, 12) as discount_amount
    from applied
    inner join matching
        on
            applied.invoice_line_id = matching.invoice_line_id
            and matching.step = applied.step + 1

),

lines as (

    select
        charge_lines.invoice_id,
        charge_lines.charge_id,
        charge_lines.part_number,
        charge_lines.position,
        charge_lines.dimension_id,
        charge_lines.period_start,
        charge_lines.period_end,
        charge_lines.description,
        applied.discount_number,
        applied.percent,
        applied.discounted_days,
        applied.line_days,
        applied.base_amount,
        -applied.discount_amount as exact_amount
    from applied
    inner join charge_lines
        on applied.invoice_line_id = charge_lines.invoice_line_id
    where applied.discount_amount <> 0

)

select
    (
        lines.invoice_id || '/discount/' || lines.charge_id || '/' || lines.part_number
        || '/' || lines.discount_number
    )::text as invoice_line_id,
    lines.invoice_id::text as invoice_id,
    'discount'::text as kind,
    lines.charge_id::text as charge_id,
    lines.part_number::integer as part_number,
    lines.position::integer as position,
    lines.dimension_id::text as dimension_id,
    lines.discount_number::text as reference_id,
    lines.period_start::date as period_start,
    lines.period_end::date as period_end,
    null::numeric(38, 9) as quantity,
    null::numeric(38, 9) as billable_quantity,
    lines.exact_amount::numeric(38, 12) as exact_amount,
    {{ round_to_currency('lines.exact_amount', 'periods.minor_units') }} as amount,
    ('Discount ' || trim_scale(lines.percent) || ' % on ' || lines.description)::text
        as description,
    jsonb_build_object(
        'percent', lines.percent,
        'base', lines.base_amount,
        'discounted_days', lines.discounted_days,
        'line_days', lines.line_days
    ) as explanation
from lines
inner join periods
    on lines.invoice_id = periods.invoice_id
