with

priced as (

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        catalog_version,
        price_id,
        model,
        is_level,
        is_spanning,
        is_first,
        quantity_before,
        quantity_until,
        quantity_of_span,
        record_count,
        bound_amount,
        unit_amount,
        fixed_amount,
        part_days,
        period_days
    from {{ ref('int_priced_quantities') }}

),

tiers as (

    select
        catalog_version,
        price_id,
        tier_number,
        from_quantity,
        up_to,
        unit_amount,
        flat_amount
    from {{ source('catalog', 'price_tiers') }}

),

-- Where the quantity ends decides one tier for all of it. The first tier is always reached.
whole_slices as (

    select
        priced.invoice_id,
        priced.charge_id,
        priced.part_number,
        priced.pricing_group,
        priced.model,
        priced.is_level,
        tiers.tier_number,
        tiers.from_quantity,
        tiers.up_to,
        tiers.unit_amount,
        tiers.flat_amount,
        priced.quantity_until - priced.quantity_before as slice_quantity,
        1 as flat_count,
        priced.part_days as due_days,
        priced.period_days
    from priced
    inner join tiers
        on
            priced.catalog_version = tiers.catalog_version
            and priced.price_id = tiers.price_id
            and (tiers.tier_number = 1 or priced.quantity_of_span > tiers.from_quantity)
            and (tiers.up_to is null or priced.quantity_of_span <= tiers.up_to)
    where priced.model in ('volume', 'stairstep', 'capacity')

),

-- Each tier that the part passes through has what lies in it of the quantity until the part's end,
-- less what lay in it before. A flat amount is due where its tier is entered.
graduated_slices as (

    select
        priced.invoice_id,
        priced.charge_id,
        priced.part_number,
        priced.pricing_group,
        priced.model,
        priced.is_level,
        tiers.tier_number,
        tiers.from_quantity,
        tiers.up_to,
        tiers.unit_amount,
        tiers.flat_amount,
        {{ quantity_in_tier('priced.quantity_until') }}
        - {{ quantity_in_tier('priced.quantity_before') }} as slice_quantity,
        case
            when tiers.tier_number = 1 then priced.is_first::integer
            else
                (priced.quantity_until > tiers.from_quantity)::integer
                - (priced.quantity_before > tiers.from_quantity)::integer
        end as flat_count,
        case when priced.is_spanning then priced.period_days else priced.part_days end as due_days,
        priced.period_days
    from priced
    inner join tiers
        on
            priced.catalog_version = tiers.catalog_version
            and priced.price_id = tiers.price_id
            and (
                tiers.tier_number = 1
                or greatest(priced.quantity_before, priced.quantity_until) > tiers.from_quantity
            )
            and (
                tiers.up_to is null
                or least(priced.quantity_before, priced.quantity_until) < tiers.up_to
                or (
                    priced.quantity_before = priced.quantity_until
                    and priced.quantity_until = tiers.up_to
                )
            )
    where priced.model not in ('volume', 'stairstep', 'capacity')

),

quantity_slices as (

    select *
    from whole_slices

    union all

    select *
    from graduated_slices

    union all

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        model,
        is_level,
        1 as tier_number,
        0 as from_quantity,
        null as up_to,
        unit_amount,
        0 as flat_amount,
        quantity_until - quantity_before as slice_quantity,
        0 as flat_count,
        part_days as due_days,
        period_days
    from priced
    where model = 'matrix'

),

slices as (

    select
        quantity_slices.*,
        'quantity' as slice_kind
    from quantity_slices

    union all

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        model,
        false as is_level,
        1 as tier_number,
        0 as from_quantity,
        null as up_to,
        fixed_amount as unit_amount,
        0 as flat_amount,
        record_count as slice_quantity,
        0 as flat_count,
        part_days as due_days,
        period_days,
        'records' as slice_kind
    from priced
    where
        fixed_amount <> 0
        and record_count <> 0

    union all

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        model,
        false as is_level,
        1 as tier_number,
        0 as from_quantity,
        null as up_to,
        bound_amount as unit_amount,
        0 as flat_amount,
        1 as slice_quantity,
        0 as flat_count,
        part_days as due_days,
        period_days,
        'bounds' as slice_kind
    from priced
    where bound_amount <> 0

),

-- Where a change of price splits the period, a level and a flat amount are due for the days of the
-- part; what adds up has its own quantity in each part.
owed as (

    select
        slices.*,
        slices.flat_amount * slices.flat_count * slices.due_days
        + slices.slice_quantity * slices.unit_amount
        * case when slices.is_level then slices.due_days else slices.period_days end
            as amount_times_days
    from slices

),

running as (

    select
        owed.*,
        sum(owed.amount_times_days) over (
            partition by owed.invoice_id, owed.charge_id, owed.part_number
            order by owed.pricing_group, owed.slice_kind, owed.tier_number
            rows between unbounded preceding and current row
        ) as amount_times_days_until
    from owed

),

-- All slices of a line are rounded as one: each is what it adds to those before it, so that thirds
-- of a line add up to it.
amounts as (

    select
        running.*,
        {{ divide('running.amount_times_days_until', 'running.period_days') }}
        - {{ divide(
            'running.amount_times_days_until - running.amount_times_days', 'running.period_days'
        ) }} as exact_amount
    from running

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    pricing_group::jsonb as pricing_group,
    slice_kind::text as slice_kind,
    tier_number::integer as tier_number,
    model::text as model,
    is_level::boolean as is_level,
    from_quantity::numeric(38, 9) as from_quantity,
    up_to::numeric(38, 9) as up_to,
    slice_quantity::numeric(38, 9) as slice_quantity,
    unit_amount::numeric(38, 12) as unit_amount,
    (flat_amount * flat_count)::numeric(38, 12) as flat_amount,
    due_days::integer as part_days,
    period_days::integer as period_days,
    exact_amount::numeric(38, 12) as exact_amount
from amounts
