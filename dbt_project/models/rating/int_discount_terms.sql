with

discounts as (

    select
        catalog_version,
        contract_id,
        discount_number,
        discount_id,
        charge_id,
        percent,
        amount,
        valid_from,
        valid_to,
        max_periods
    from {{ source('catalog', 'contract_discounts') }}

),

calendar as (

    select
        catalog_version,
        contract_id,
        period_start,
        period_end
    from {{ ref('int_contract_calendar') }}

),

counted_discounts as (

    select distinct
        catalog_version,
        contract_id,
        discount_number,
        valid_from,
        max_periods
    from discounts
    where max_periods is not null

),

-- The billing periods in which a discount holds for at least a day, used or not.
held_periods as (

    select
        counted_discounts.catalog_version,
        counted_discounts.contract_id,
        counted_discounts.discount_number,
        counted_discounts.max_periods,
        calendar.period_end,
        row_number() over (
            partition by
                counted_discounts.catalog_version,
                counted_discounts.contract_id,
                counted_discounts.discount_number
            order by calendar.period_start
        ) as held_number
    from counted_discounts
    inner join calendar
        on
            counted_discounts.catalog_version = calendar.catalog_version
            and counted_discounts.contract_id = calendar.contract_id
            and counted_discounts.valid_from < calendar.period_end

),

-- While the last of them has not begun, nothing is known of its end, and nothing beyond is billed.
last_periods as (

    select
        catalog_version,
        contract_id,
        discount_number,
        period_end
    from held_periods
    where held_number = max_periods

)

select
    discounts.catalog_version::text as catalog_version,
    discounts.contract_id::text as contract_id,
    discounts.discount_number::integer as discount_number,
    discounts.discount_id::text as discount_id,
    discounts.charge_id::text as charge_id,
    discounts.percent::numeric(9, 6) as percent,
    discounts.amount::numeric(20, 3) as amount,
    discounts.valid_from::date as valid_from,
    least(discounts.valid_to, last_periods.period_end)::date as valid_to
from discounts
left join last_periods
    on
        discounts.catalog_version = last_periods.catalog_version
        and discounts.contract_id = last_periods.contract_id
        and discounts.discount_number = last_periods.discount_number
