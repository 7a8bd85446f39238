with

quantity_steps as (

    select
        invoice_id,
        charge_id,
        part_number,
        stage,
        step,
        dimension_id,
        pricing_group,
        record_count,
        quantity,
        details
    from {{ ref('int_quantity_steps') }}

),

billable_steps as (

    select
        invoice_id,
        charge_id,
        part_number,
        stage,
        step,
        dimension_id,
        pricing_group,
        quantity,
        details
    from {{ ref('int_billable_steps') }}

),

slices as (

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        slice_kind,
        tier_number,
        model,
        is_level,
        from_quantity,
        up_to,
        slice_quantity,
        unit_amount,
        flat_amount,
        part_days,
        period_days,
        exact_amount,
        {{ divide('flat_amount * part_days', 'period_days') }}
            as exact_flat_amount
    from {{ ref('int_price_slices') }}

),

-- What a tier's units cost, and its fixed amount, are two steps: each is its quantity times its
-- price, for its days.
price_steps as (

    select
        slices.*,
        8 as stage,
        'tier' as step,
        slices.slice_quantity as quantity,
        slices.unit_amount as step_unit_amount,
        slices.is_level as is_by_day,
        slices.exact_amount - slices.exact_flat_amount as step_amount
    from slices
    where
        slices.slice_kind = 'quantity'
        and slices.model not in ('stairstep', 'capacity')
        and (slices.slice_quantity <> 0 or slices.flat_amount = 0)

    union all

    select
        slices.*,
        8 as stage,
        case when slices.model = 'capacity' then 'capacity' else 'flat' end as step,
        sign(slices.flat_amount) as quantity,
        abs(slices.flat_amount) as step_unit_amount,
        true as is_by_day,
        case
            when slices.slice_quantity = 0 or slices.model in ('stairstep', 'capacity')
                then slices.exact_amount
            else slices.exact_flat_amount
        end as step_amount
    from slices
    where
        slices.slice_kind = 'quantity'
        and (slices.flat_amount <> 0 or slices.model in ('stairstep', 'capacity'))

    union all

    select
        slices.*,
        9 as stage,
        slices.slice_kind as step,
        case when slices.slice_kind = 'records' then slices.slice_quantity end as quantity,
        case when slices.slice_kind = 'records' then slices.unit_amount end as step_unit_amount,
        false as is_by_day,
        slices.exact_amount as step_amount
    from slices
    where slices.slice_kind <> 'quantity'

),

steps as (

    select
        invoice_id,
        charge_id,
        part_number,
        stage,
        step,
        dimension_id,
        pricing_group,
        null::integer as tier_number,
        null::numeric as from_quantity,
        null::numeric as up_to,
        record_count,
        quantity,
        null::numeric as unit_amount,
        null::integer as days,
        null::integer as of_days,
        null::numeric as exact_amount,
        details
    from quantity_steps

    union all

    select
        invoice_id,
        charge_id,
        part_number,
        stage,
        step,
        dimension_id,
        pricing_group,
        null::integer as tier_number,
        null::numeric as from_quantity,
        null::numeric as up_to,
        null::bigint as record_count,
        quantity,
        null::numeric as unit_amount,
        null::integer as days,
        null::integer as of_days,
        null::numeric as exact_amount,
        details
    from billable_steps

    union all

    select
        invoice_id,
        charge_id,
        part_number,
        stage,
        step,
        null as dimension_id,
        pricing_group,
        tier_number,
        from_quantity,
        up_to,
        null::bigint as record_count,
        quantity,
        step_unit_amount as unit_amount,
        case when is_by_day and part_days <> period_days then part_days end as days,
        case when is_by_day and part_days <> period_days then period_days end as of_days,
        step_amount as exact_amount,
        '{}'::jsonb as details
    from price_steps

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    row_number() over (
        partition by invoice_id, charge_id, part_number
        order by
            case when stage < 4 then 1 else 2 end,
            pricing_group,
            case when stage < 4 then dimension_id end nulls last,
            stage,
            tier_number,
            case when step = 'tier' then 1 else 2 end
    )::integer as step_number,
    step::text as step,
    dimension_id::text as dimension_id,
    pricing_group::jsonb as pricing_group,
    tier_number::integer as tier_number,
    from_quantity::numeric(38, 9) as from_quantity,
    up_to::numeric(38, 9) as up_to,
    record_count::bigint as record_count,
    quantity::numeric(38, 9) as quantity,
    unit_amount::numeric(38, 12) as unit_amount,
    days::integer as days,
    of_days::integer as of_days,
    exact_amount::numeric(38, 12) as exact_amount,
    details::jsonb as details
from steps
