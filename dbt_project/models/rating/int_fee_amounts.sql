with

periods as (

    select
        invoice_id,
        catalog_version,
        contract_id,
        plan_id,
        period_number,
        next_period_start,
        next_period_end,
        next_full_period_days
    from {{ ref('int_contract_periods') }}

),

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        catalog_version,
        price_id,
        period_number,
        part_start,
        part_end,
        full_period_days
    from {{ ref('int_charge_parts') }}
    where dimension_id is null

),

charges as (

    select
        catalog_version,
        plan_id,
        charge_id,
        price_id
    from {{ source('catalog', 'charges') }}
    where dimension_id is null

),

overrides as (

    select
        catalog_version,
        contract_id,
        charge_id,
        valid_from,
        valid_to,
        price_id
    from {{ source('catalog', 'contract_overrides') }}

),

prices as (

    select
        catalog_version,
        price_id,
        flat_amount,
        timing,
        is_prorated
    from {{ source('catalog', 'prices') }}
    where model = 'flat'

),

own_period as (

    select
        parts.invoice_id,
        parts.charge_id,
        parts.part_number,
        parts.part_start as fee_start,
        parts.part_end as fee_end,
        parts.full_period_days,
        prices.flat_amount,
        prices.is_prorated and prices.timing <> 'once' as is_prorated
    from parts
    inner join prices
        on
            parts.catalog_version = prices.catalog_version
            and parts.price_id = prices.price_id
    where
        -- A fee that is not prorated is due once a period, at the price the period begins with.
        (parts.part_number = 1 or (prices.is_prorated and prices.timing <> 'once'))
        -- The first invoice is the only one to hold an advance fee for its own period.
        and (prices.timing = 'arrears' or parts.period_number = 1)

),

next_period as (

    select
        periods.invoice_id,
        charges.charge_id,
        0 as part_number,
        periods.next_period_start as fee_start,
        periods.next_period_end as fee_end,
        periods.next_full_period_days as full_period_days,
        prices.flat_amount,
        prices.is_prorated
    from periods
    inner join charges
        on
            periods.catalog_version = charges.catalog_version
            and periods.plan_id = charges.plan_id
    left join overrides
        on
            periods.catalog_version = overrides.catalog_version
            and periods.contract_id = overrides.contract_id
            and charges.charge_id = overrides.charge_id
            and periods.next_period_start >= overrides.valid_from
            and (overrides.valid_to is null or periods.next_period_start < overrides.valid_to)
    inner join prices
        on
            periods.catalog_version = prices.catalog_version
            and coalesce(overrides.price_id, charges.price_id) = prices.price_id
    where
        prices.timing = 'advance'
        and periods.next_period_start is not null

),

fees as (

    select *
    from own_period

    union all

    select *
    from next_period

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    fee_start::date as fee_start,
    fee_end::date as fee_end,
    flat_amount::numeric(38, 12) as full_amount,
    (case when is_prorated then fee_end - fee_start else full_period_days end)::integer
        as billed_days,
    full_period_days::integer as full_period_days,
    (
        case
            when is_prorated
                then {{ divide('flat_amount * (fee_end - fee_start)', 'full_period_days', 12) }}
            else flat_amount
        end
    )::numeric(38, 12) as exact_amount
from fees
