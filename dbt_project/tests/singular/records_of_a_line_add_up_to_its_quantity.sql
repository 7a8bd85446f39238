{{ config(sql_header=hash_joins() ~ ';') }}
-- The usage that falls to a charge is what its line begins with, and that leads to its quantity.
with

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        dimension_id
    from {{ ref('int_charge_parts') }}

),

quantity_steps as (

    select
        invoice_id,
        charge_id,
        part_number,
        dimension_id,
        pricing_group,
        stage,
        step,
        record_count,
        quantity,
        details
    from {{ ref('int_quantity_steps') }}

),

measured as (

    select
        invoice_id,
        charge_id,
        part_number,
        dimension_id,
        sum(record_count) as record_count,
        sum(quantity) as quantity,
        min({{ json_text('details', "'aggregation'") }}) as aggregation,
        min({{ json_text('details', "'bucket_then'") }}) as bucket_then
    from quantity_steps
    where step = 'aggregate'
    group by invoice_id, charge_id, part_number, dimension_id

),

ranked as (

    select
        invoice_id,
        charge_id,
        part_number,
        dimension_id,
        quantity,
        row_number() over (
            partition by invoice_id, charge_id, part_number, dimension_id, pricing_group
            order by stage desc
        ) as steps_after
    from quantity_steps

),

outcomes as (

    select
        invoice_id,
        charge_id,
        part_number,
        dimension_id,
        sum(quantity) as quantity
    from ranked
    where steps_after = 1
    group by invoice_id, charge_id, part_number, dimension_id

),

pieces as (

    select
        invoice_id,
        charge_id,
        part_number,
        sum(record_count) as record_count,
        sum(quantity_sum) as quantity
    from {{ ref('int_usage_pieces') }}
    where status = 'rated'
    group by invoice_id, charge_id, part_number

),

quantities as (

    select
        invoice_id,
        charge_id,
        part_number,
        sum(quantity) as quantity
    from {{ ref('int_charge_quantities') }}
    group by invoice_id, charge_id, part_number

)

select
    measured.invoice_id,
    measured.charge_id,
    measured.part_number,
    measured.record_count,
    pieces.record_count as record_count_of_usage,
    measured.quantity,
    outcomes.quantity as quantity_of_steps,
    quantities.quantity as quantity_of_line
from measured
inner join outcomes
    on
        measured.invoice_id = outcomes.invoice_id
        and measured.charge_id = outcomes.charge_id
        and measured.part_number = outcomes.part_number
        and measured.dimension_id = outcomes.dimension_id
inner join parts
    on
        measured.invoice_id = parts.invoice_id
        and measured.dimension_id = parts.dimension_id
        and measured.part_number = parts.part_number
        and measured.charge_id = split_part(parts.charge_id, '/', 1)
inner join quantities
    on
        parts.invoice_id = quantities.invoice_id
        and parts.charge_id = quantities.charge_id
        and parts.part_number = quantities.part_number
left join pieces
    on
        parts.invoice_id = pieces.invoice_id
        and parts.charge_id = pieces.charge_id
        and parts.part_number = pieces.part_number
where
    measured.record_count <> coalesce(pieces.record_count, 0)
    or outcomes.quantity <> quantities.quantity
    or (
        measured.aggregation = 'sum'
        and measured.bucket_then is null
        and measured.quantity <> coalesce(pieces.quantity, 0)
    )
