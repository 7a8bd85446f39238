with

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        included_quantity
    from {{ ref('int_charge_parts') }}
    where dimension_id is not null

),

prices as (

    select
        catalog_version,
        price_id,
        model
    from {{ source('catalog', 'prices') }}

),

groups as (

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        catalog_version,
        price_id,
        is_level,
        record_count,
        quantity,
        rate
    from {{ ref('int_group_quantities') }}

),

-- Each group that a price tells apart is priced for itself. Credits are what the groups add up to:
-- their unit.
priced_groups as (

    select
        groups.invoice_id,
        groups.charge_id,
        groups.part_number,
        groups.is_level,
        groups.record_count,
        case when prices.model = 'credits' then '{}'::jsonb else groups.pricing_group end
            as pricing_group,
        case when prices.model = 'matrix' then groups.rate end as unit_amount,
        case
            when prices.model = 'credits' then round(groups.quantity * groups.rate, 9)
            else groups.quantity
        end as quantity
    from groups
    inner join prices
        on
            groups.catalog_version = prices.catalog_version
            and groups.price_id = prices.price_id

),

quantities as (

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        is_level,
        unit_amount,
        sum(record_count) as record_count,
        sum(quantity) as quantity
    from priced_groups
    group by
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        is_level,
        unit_amount

),

-- Included units belong to the period: its parts use them up in order of time. A level is not used
-- up: what is included of it is included in every part.
running as (

    select
        quantities.*,
        parts.included_quantity,
        case when quantities.is_level then quantities.part_number end as level_part,
        sum(quantities.quantity) over (
            partition by
                quantities.invoice_id,
                quantities.charge_id,
                quantities.pricing_group,
                case when quantities.is_level then quantities.part_number end
            order by quantities.part_number
            rows between unbounded preceding and current row
        ) as quantity_until
    from quantities
    inner join parts
        on
            quantities.invoice_id = parts.invoice_id
            and quantities.charge_id = parts.charge_id
            and quantities.part_number = parts.part_number

),

beyond_included as (

    select
        running.*,
        {{ beyond('running.quantity_until', 'running.included_quantity') }} as beyond_until
    from running

),

differences as (

    select
        beyond_included.*,
        beyond_included.beyond_until
        - lag(beyond_included.beyond_until, 1, 0::numeric) over (
            partition by
                beyond_included.invoice_id,
                beyond_included.charge_id,
                beyond_included.pricing_group,
                beyond_included.level_part
            order by beyond_included.part_number
        ) as quantity_beyond
    from beyond_included

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    pricing_group::jsonb as pricing_group,
    is_level::boolean as is_level,
    record_count::bigint as record_count,
    quantity::numeric(38, 9) as quantity,
    included_quantity::numeric(38, 9) as included_quantity,
    quantity_beyond::numeric(38, 9) as quantity_beyond,
    unit_amount::numeric(38, 12) as unit_amount
from differences
