with

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        catalog_version,
        price_id,
        tiers_span,
        bucket_then,
        part_days,
        period_days
    from {{ ref('int_charge_parts') }}

),

quantities as (

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        is_level,
        record_count,
        billable_quantity,
        unit_amount
    from {{ ref('int_charge_quantities') }}

),

seat_levels as (

    select
        invoice_id,
        charge_id,
        part_number,
        catalog_version,
        price_id,
        level_start,
        level_days,
        period_days,
        billable_seats
    from {{ ref('int_seat_levels') }}

),

capacity_tiers as (

    select
        invoice_id,
        charge_id,
        part_number,
        tier_number
    from {{ ref('int_capacity_tiers') }}

),

prices as (

    select
        catalog_version,
        price_id,
        model,
        fixed_amount,
        coalesce(free_records, 0) > 0
        or coalesce(free_amount, 0) > 0
        or record_minimum is not null
        or record_maximum is not null as is_by_record
    from {{ source('catalog', 'prices') }}

),

-- Records that are priced one by one: what of them is not free, and what a record's minimum and
-- maximum add to it, or take off.
record_sums as (

    select
        invoice_id,
        charge_id,
        part_number,
        sum(charged_value) as charged_value,
        count(*) filter (where is_charged) as record_count,
        sum(exact_amount)
        - sum(charged_value) * unit_amount
        - count(*) filter (where is_charged) * fixed_amount as bound_amount
    from {{ ref('int_record_amounts') }}
    group by invoice_id, charge_id, part_number, unit_amount, fixed_amount

),

measured as (

    select
        quantities.invoice_id,
        quantities.charge_id,
        quantities.part_number,
        parts.catalog_version,
        parts.price_id,
        quantities.pricing_group,
        quantities.is_level,
        parts.tiers_span = 'period' and not quantities.is_level as is_spanning,
        quantities.record_count,
        quantities.billable_quantity,
        quantities.unit_amount,
        -- What a bucket costs is due in full, in however short a part it lies.
        case when parts.bucket_then = 'price' then parts.period_days else parts.part_days end
            as part_days,
        parts.period_days
    from quantities
    inner join parts
        on
            quantities.invoice_id = parts.invoice_id
            and quantities.charge_id = parts.charge_id
            and quantities.part_number = parts.part_number
    inner join prices
        on
            parts.catalog_version = prices.catalog_version
            and parts.price_id = prices.price_id
    where prices.model not in ('seat', 'meter')

    union all

    -- Seats are a level of their own in each stretch of days with as many of them.
    select
        invoice_id,
        charge_id,
        part_number,
        catalog_version,
        price_id,
        jsonb_build_object('since', level_start) as pricing_group,
        true as is_level,
        false as is_spanning,
        0 as record_count,
        billable_seats as billable_quantity,
        null as unit_amount,
        level_days as part_days,
        period_days
    from seat_levels

)

select
    measured.invoice_id::text as invoice_id,
    measured.charge_id::text as charge_id,
    measured.part_number::integer as part_number,
    measured.pricing_group::jsonb as pricing_group,
    measured.catalog_version::text as catalog_version,
    measured.price_id::text as price_id,
    prices.model::text as model,
    measured.is_level::boolean as is_level,
    measured.is_spanning::boolean as is_spanning,
    (
        case
            when prices.is_by_record then coalesce(record_sums.charged_value, 0)
            when prices.model = 'capacity' then capacity_tiers.tier_number
            else measured.billable_quantity
        end
    )::numeric(38, 9) as units,
    (
        case
            when prices.is_by_record then coalesce(record_sums.record_count, 0)
            else measured.record_count
        end
    )::bigint as record_count,
    coalesce(record_sums.bound_amount, 0)::numeric(58, 20) as bound_amount,
    measured.unit_amount::numeric(38, 12) as unit_amount,
    prices.fixed_amount::numeric(38, 12) as fixed_amount,
    measured.part_days::integer as part_days,
    measured.period_days::integer as period_days
from measured
inner join prices
    on
        measured.catalog_version = prices.catalog_version
        and measured.price_id = prices.price_id
left join record_sums
    on
        measured.invoice_id = record_sums.invoice_id
        and measured.charge_id = record_sums.charge_id
        and measured.part_number = record_sums.part_number
left join capacity_tiers
    on
        measured.invoice_id = capacity_tiers.invoice_id
        and measured.charge_id = capacity_tiers.charge_id
        and measured.part_number = capacity_tiers.part_number
