with

quantities as (

    select
        tenant_id,
        dimension_id,
        reason,
        usage_month,
        customer_id,
        record_count,
        quantity,
        unit
    from {{ ref('int_unassigned_usage') }}

),

list_prices as (

    select
        customer_id,
        dimension_id,
        plan_id,
        unit_amount,
        package_size,
        currency
    from {{ ref('int_list_prices') }}

),

valued as (

    select
        quantities.tenant_id,
        quantities.dimension_id,
        quantities.reason,
        quantities.customer_id,
        quantities.usage_month,
        quantities.record_count,
        quantities.quantity,
        quantities.unit,
        list_prices.plan_id as list_plan_id,
        list_prices.currency,
        {{ divide('quantities.quantity * list_prices.unit_amount', 'list_prices.package_size') }}
            as list_value,
        row_number() over (
            partition by
                quantities.tenant_id,
                quantities.dimension_id,
                quantities.reason,
                quantities.usage_month
            order by
                case when list_prices.customer_id is null then 1 else 0 end,
                list_prices.plan_id
        ) as price_rank
    from quantities
    left join list_prices
        on
            quantities.dimension_id = list_prices.dimension_id
            and (
                list_prices.customer_id is null
                or quantities.customer_id = list_prices.customer_id
            )

)

select
    valued.tenant_id::text as tenant_id,
    valued.dimension_id::text as dimension_id,
    valued.reason::text as reason,
    valued.usage_month::date as usage_month,
    valued.customer_id::text as customer_id,
    valued.record_count::bigint as record_count,
    valued.quantity::numeric(38, 9) as quantity,
    valued.unit::text as unit,
    valued.list_value::numeric(38, 12) as list_value,
    valued.currency::text as currency,
    valued.list_plan_id::text as list_plan_id,
    {{ in_reporting_currency('valued.list_value') }} as reporting_list_value,
    currency_rates.reporting_currency::text as reporting_currency
from valued
{{ join_rate('valued', last_day_of_month('valued.usage_month')) }}
where valued.price_rank = 1
