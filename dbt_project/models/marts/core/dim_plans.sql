with

plans as (

    select
        plan_id,
        name,
        currency,
        minor_units,
        interval
    from {{ source('catalog', 'plans') }}
    where {{ is_current_version() }}

),

charge_counts as (

    select
        plan_id,
        count(*) as charge_count
    from {{ source('catalog', 'charges') }}
    where {{ is_current_version() }}
    group by plan_id

),

customer_counts as (

    select
        plan_id,
        count(distinct customer_id) as customer_count
    from {{ source('catalog', 'contracts') }}
    where {{ is_current_version() }}
    group by plan_id

)

select
    plans.plan_id::text as plan_id,
    plans.name::text as plan_name,
    plans.currency::text as currency,
    plans.minor_units::integer as minor_units,
    plans.interval::text as billing_interval,
    coalesce(charge_counts.charge_count, 0)::bigint as charge_count,
    coalesce(customer_counts.customer_count, 0)::bigint as customer_count
from plans
left join charge_counts
    on plans.plan_id = charge_counts.plan_id
left join customer_counts
    on plans.plan_id = customer_counts.plan_id
