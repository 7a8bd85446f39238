with

quantities as (

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        is_level,
        record_count,
        quantity,
        quantity_beyond,
        unit_amount
    from {{ ref('int_included_quantities') }}

),

trial_units as (

    select
        invoice_id,
        charge_id,
        part_number,
        billable_quantity
    from {{ ref('int_trial_units') }}

)

select
    quantities.invoice_id::text as invoice_id,
    quantities.charge_id::text as charge_id,
    quantities.part_number::integer as part_number,
    quantities.pricing_group::jsonb as pricing_group,
    quantities.is_level::boolean as is_level,
    quantities.record_count::bigint as record_count,
    quantities.quantity::numeric(38, 9) as quantity,
    quantities.quantity_beyond::numeric(38, 9) as quantity_beyond,
    coalesce(trial_units.billable_quantity, quantities.quantity_beyond)::numeric(38, 9)
        as billable_quantity,
    quantities.unit_amount::numeric(38, 12) as unit_amount
from quantities
left join trial_units
    on
        quantities.invoice_id = trial_units.invoice_id
        and quantities.charge_id = trial_units.charge_id
        and quantities.part_number = trial_units.part_number
