with

cost_days as (

    select
        cost_line_id,
        cost_date,
        billed_cost,
        effective_cost
    from {{ ref('int_cost_days') }}

),

ruled_cost_lines as (

    select
        cost_line_id,
        source,
        service_name,
        currency,
        is_estimated,
        rule_id,
        method,
        cost_kind,
        dimension_id,
        direct_tenant_id
    from {{ ref('int_ruled_cost_lines') }}

),

-- What is allocated in the same way is allocated at once: the number of tenants then multiplies the
-- days and services, not the lines of the bill.
pools as (

    select
        cost_days.cost_date,
        ruled_cost_lines.source,
        ruled_cost_lines.service_name,
        ruled_cost_lines.currency,
        ruled_cost_lines.rule_id,
        ruled_cost_lines.method,
        ruled_cost_lines.cost_kind,
        ruled_cost_lines.dimension_id,
        ruled_cost_lines.direct_tenant_id,
        sum(cost_days.billed_cost) as billed_cost,
        sum(cost_days.effective_cost) as effective_cost,
        bool_or(ruled_cost_lines.is_estimated) as is_estimated,
        count(*) as line_count
    from cost_days
    inner join ruled_cost_lines
        on cost_days.cost_line_id = ruled_cost_lines.cost_line_id
    group by
        cost_days.cost_date,
        ruled_cost_lines.source,
        ruled_cost_lines.service_name,
        ruled_cost_lines.currency,
        ruled_cost_lines.rule_id,
        ruled_cost_lines.method,
        ruled_cost_lines.cost_kind,
        ruled_cost_lines.dimension_id,
        ruled_cost_lines.direct_tenant_id

)

select
    {{ key_of([
        'cost_date',
        'source',
        'service_name',
        'currency',
        'rule_id',
        'direct_tenant_id',
    ]) }}::text as cost_pool_id,
    cost_date::date as cost_date,
    source::text as source,
    service_name::text as service_name,
    currency::text as currency,
    rule_id::text as rule_id,
    method::text as method,
    cost_kind::text as cost_kind,
    dimension_id::text as dimension_id,
    direct_tenant_id::text as direct_tenant_id,
    billed_cost::numeric(38, 12) as billed_cost,
    effective_cost::numeric(38, 12) as effective_cost,
    is_estimated::boolean as is_estimated,
    line_count::bigint as line_count
from pools
