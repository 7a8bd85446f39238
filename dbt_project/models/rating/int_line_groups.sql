with

periods as (

    select
        invoice_id,
        minor_units
    from {{ ref('int_contract_periods') }}

),

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        catalog_version,
        price_id,
        price_keys,
        group_by,
        aggregation
    from {{ ref('int_metered_parts') }}
    where group_by is not null

),

rates as (

    select
        catalog_version,
        price_id,
        rate_number,
        match,
        rate
    from {{ source('catalog', 'price_rates') }}

),

pieces as (

    select
        invoice_id,
        charge_id,
        part_number,
        tenant_id,
        usage_group,
        {{ usage_values() }}
    from {{ ref('int_usage_pieces') }}
    where status = 'rated'

),

quantities as (

    select
        invoice_id,
        charge_id,
        part_number,
        sum(quantity) as quantity
    from {{ ref('int_charge_quantities') }}
    group by invoice_id, charge_id, part_number

),

amounts as (

    select
        invoice_id,
        charge_id,
        part_number,
        sum(exact_amount) as exact_amount
    from {{ ref('int_price_slices') }}
    group by invoice_id, charge_id, part_number

),

-- By what the line and its price tell apart; other keys of the usage's groups are other charges'.
tenant_values as (

    select
        pieces.invoice_id,
        pieces.charge_id,
        pieces.part_number,
        pieces.tenant_id,
        {{ group_by_keys(
            'pieces.usage_group',
            'parts.group_by || parts.price_keys'
        ) }} as seen_group,
        {{ usage_values_of_cells() }}
    from pieces
    inner join parts
        on
            pieces.invoice_id = parts.invoice_id
            and pieces.charge_id = parts.charge_id
            and pieces.part_number = parts.part_number
    group by
        pieces.invoice_id,
        pieces.charge_id,
        pieces.part_number,
        pieces.tenant_id,
        seen_group

),

-- What a group weighs in its line: what was used in it, at the price's own rates where it has some.
weighed as (

    select
        parts.invoice_id,
        parts.charge_id,
        parts.part_number,
        {{ group_by_keys('tenant_values.seen_group', 'parts.group_by') }} as line_group,
        greatest(
            {{ aggregate_of_values('parts.aggregation') }}
            * coalesce({{ first_rate('rates', 'parts', 'tenant_values.seen_group') }}, 1),
            0
        ) as weight
    from parts
    inner join tenant_values
        on
            parts.invoice_id = tenant_values.invoice_id
            and parts.charge_id = tenant_values.charge_id
            and parts.part_number = tenant_values.part_number

),

group_weights as (

    select
        invoice_id,
        charge_id,
        part_number,
        line_group,
        sum(weight) as weight,
        sum(sum(weight)) over (partition by invoice_id, charge_id, part_number) as total_weight
    from weighed
    group by invoice_id, charge_id, part_number, line_group

),

-- In whole minor units, so that what is shown can be paid; quantities in their last decimal.
whole_lines as (

    select
        group_weights.invoice_id,
        group_weights.charge_id,
        group_weights.part_number,
        group_weights.line_group,
        group_weights.weight,
        periods.minor_units,
        {{ to_minor(
            round_to_currency('amounts.exact_amount', 'periods.minor_units'), 'periods.minor_units'
        ) }} as minor_amount,
        quantities.quantity * 1000000000 as nano_quantity
    from group_weights
    inner join periods
        on group_weights.invoice_id = periods.invoice_id
    inner join quantities
        on
            group_weights.invoice_id = quantities.invoice_id
            and group_weights.charge_id = quantities.charge_id
            and group_weights.part_number = quantities.part_number
    inner join amounts
        on
            group_weights.invoice_id = amounts.invoice_id
            and group_weights.charge_id = amounts.charge_id
            and group_weights.part_number = amounts.part_number
    where group_weights.total_weight > 0

),

split as (

    {{ split_amounts(
        'whole_lines',
        ['invoice_id', 'charge_id', 'part_number', 'minor_units'],
        'line_group',
        'weight',
        ['minor_amount', 'nano_quantity'],
        decimals=0
    ) | indent(4) }}

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    line_group::jsonb as line_group,
    (nano_quantity / 1000000000)::numeric(38, 9) as quantity,
    {{ from_minor('minor_amount', 'minor_units') }} as amount
from split
