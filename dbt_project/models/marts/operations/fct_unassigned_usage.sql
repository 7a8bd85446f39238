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
    tenant_id::text as tenant_id,
    dimension_id::text as dimension_id,
    reason::text as reason,
    usage_month::date as usage_month,
    customer_id::text as customer_id,
    record_count::bigint as record_count,
    quantity::numeric(38, 9) as quantity,
    unit::text as unit,
    list_value::numeric(38, 12) as list_value,
    currency::text as currency,
    list_plan_id::text as list_plan_id
from valued
where price_rank = 1
