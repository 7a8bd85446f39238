-- depends_on: {{ ref('jnl_usage_entries') }}, {{ ref('jnl_control_totals') }}
{{
    config(
        materialized='rollup',
        cell=['tenant_id', 'dimension_id', 'usage_month'],
        rebuilt_by='month',
        rollup_of='fct_usage_daily',
        pre_hook='{{ index_joins() }}',
    )
}}

{%- set rolled_up_build = rolled_up_build() %}

with

{% if rolled_up_build is not none %}
{{ usage_added('usage_month', "date_trunc('month', occurred_at at time zone 'UTC')::date") }}
{% endif %}

daily as (

    select
        cells.tenant_id,
        cells.dimension_id,
        date_trunc('month', cells.usage_date::timestamp)::date as usage_month,
        {{ usage_values('cells') }}
    {% if rolled_up_build is not none %}
    from taken_back
    inner join {{ ref('fct_usage_daily') }} as cells
        on
            taken_back.tenant_id = cells.tenant_id
            and taken_back.dimension_id = cells.dimension_id
            and taken_back.usage_month <= cells.usage_date
            and taken_back.usage_month + interval '1 month' > cells.usage_date
    {% else %}
    from {{ ref('fct_usage_daily') }} as cells
    where {{ in_rebuilt_period(date='cells.usage_date') }}
    {% endif %}

),

monthly as (

    select
        tenant_id,
        dimension_id,
        usage_month,
        {{ usage_values_of_cells() }}
    from daily
    group by tenant_id, dimension_id, usage_month

)

select
    tenant_id::text as tenant_id,
    dimension_id::text as dimension_id,
    usage_month::date as usage_month,
    {{ typed_usage_values() }}
from monthly
{% if rolled_up_build is not none %}

union all

select
    tenant_id::text as tenant_id,
    dimension_id::text as dimension_id,
    usage_month::date as usage_month,
    {{ typed_usage_values() }}
from merged
{% endif %}
