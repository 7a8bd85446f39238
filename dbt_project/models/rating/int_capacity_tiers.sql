with

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        catalog_version,
        dimension_id,
        price_id
    from {{ ref('int_charge_parts') }}
    where dimension_id is not null

),

prices as (

    select
        catalog_version,
        price_id
    from {{ source('catalog', 'prices') }}
    where model = 'capacity'

),

tiers as (

    select
        catalog_version,
        price_id,
        tier_number
    from {{ source('catalog', 'price_tiers') }}

),

limits as (

    select
        catalog_version,
        price_id,
        tier_number,
        dimension_id,
        up_to
    from {{ source('catalog', 'price_limits') }}

),

quantities as (

    select
        invoice_id,
        charge_id,
        part_number,
        quantity
    from {{ ref('int_charge_quantities') }}

),

capacities as (

    select
        parts.invoice_id,
        parts.charge_id,
        parts.part_number,
        parts.catalog_version,
        parts.price_id
    from parts
    inner join prices
        on
            parts.catalog_version = prices.catalog_version
            and parts.price_id = prices.price_id

),

-- A capacity's first dimension is measured by itself, the others beside it: capacity/users.
measured as (

    select
        parts.invoice_id,
        split_part(parts.charge_id, '/', 1) as charge_id,
        parts.part_number,
        parts.dimension_id,
        quantities.quantity
    from parts
    inner join quantities
        on
            parts.invoice_id = quantities.invoice_id
            and parts.charge_id = quantities.charge_id
            and parts.part_number = quantities.part_number

),

exceeded as (

    select distinct
        capacities.invoice_id,
        capacities.charge_id,
        capacities.part_number,
        limits.tier_number
    from capacities
    inner join measured
        on
            capacities.invoice_id = measured.invoice_id
            and capacities.charge_id = measured.charge_id
            and capacities.part_number = measured.part_number
    inner join limits
        on
            capacities.catalog_version = limits.catalog_version
            and capacities.price_id = limits.price_id
            and measured.dimension_id = limits.dimension_id
            and measured.quantity > limits.up_to

),

-- The last tier limits nothing, so there is always one that holds.
holding as (

    select
        capacities.invoice_id,
        capacities.charge_id,
        capacities.part_number,
        min(tiers.tier_number) as tier_number
    from capacities
    inner join tiers
        on
            capacities.catalog_version = tiers.catalog_version
            and capacities.price_id = tiers.price_id
    left join exceeded
        on
            capacities.invoice_id = exceeded.invoice_id
            and capacities.charge_id = exceeded.charge_id
            and capacities.part_number = exceeded.part_number
            and tiers.tier_number = exceeded.tier_number
    where exceeded.tier_number is null
    group by capacities.invoice_id, capacities.charge_id, capacities.part_number

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    tier_number::integer as tier_number
from holding
