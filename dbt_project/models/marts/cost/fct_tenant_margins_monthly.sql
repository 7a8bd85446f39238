with

tenant_revenue as (

    select
        tenant_id,
        revenue_month as margin_month,
        currency,
        revenue,
        is_final
    from {{ ref('int_tenant_revenue') }}

),

tenant_costs as (

    select
        tenant_id,
        date_trunc('month', cost_date::timestamp)::date as margin_month,
        currency,
        cost_kind,
        effective_cost,
        is_estimated
    from {{ ref('fct_tenant_costs_daily') }}
    where is_allocated

),

tenants as (

    select
        tenant_id,
        customer_id
    from {{ source('catalog', 'tenants') }}
    where {{ is_current_version() }}

),

postings as (

    select
        tenant_id,
        margin_month,
        currency,
        revenue,
        0 as variable_cost,
        0 as fixed_cost,
        is_final
    from tenant_revenue

    union all

    select
        tenant_id,
        margin_month,
        currency,
        0 as revenue,
        case when cost_kind = 'variable' then effective_cost else 0 end as variable_cost,
        case when cost_kind = 'fixed' then effective_cost else 0 end as fixed_cost,
        not is_estimated as is_final
    from tenant_costs

),

months as (

    select
        tenant_id,
        margin_month,
        currency,
        sum(revenue) as revenue,
        sum(variable_cost) as variable_cost,
        sum(fixed_cost) as fixed_cost,
        bool_and(is_final) as is_final,
        count(*) over (partition by tenant_id, margin_month) = 1 as is_comparable
    from postings
    group by tenant_id, margin_month, currency

),

margins as (

    select
        months.tenant_id,
        tenants.customer_id,
        months.margin_month,
        months.currency,
        months.revenue,
        months.variable_cost,
        months.fixed_cost,
        months.is_comparable,
        months.is_final,
        {{ contribution_margin('months') }} as contribution_margin,
        {{ gross_margin('months') }} as gross_margin
    from months
    left join tenants
        on months.tenant_id = tenants.tenant_id

)

select
    margins.tenant_id::text as tenant_id,
    margins.customer_id::text as customer_id,
    margins.margin_month::date as margin_month,
    margins.currency::text as currency,
    margins.revenue::numeric(38, 12) as revenue,
    margins.variable_cost::numeric(38, 12) as variable_cost,
    margins.fixed_cost::numeric(38, 12) as fixed_cost,
    margins.contribution_margin::numeric(38, 12) as contribution_margin,
    margins.gross_margin::numeric(38, 12) as gross_margin,
    ({{ percent_of('contribution_margin', 'revenue') }})::numeric(38, 4)
        as contribution_margin_percent,
    ({{ percent_of('gross_margin', 'revenue') }})::numeric(38, 4) as gross_margin_percent,
    margins.is_comparable::boolean as is_comparable,
    margins.is_final::boolean as is_final,
    {{ reporting_margins('margins') }}
from margins
{{ join_rate('margins', last_day_of_month('margins.margin_month')) }}
