-- depends_on: {{ ref('jnl_usage_entries') }}, {{ ref('jnl_control_totals') }}
{{
    config(
        materialized='rollup',
        cell=['tenant_id', 'dimension_id', 'usage_date'],
        rebuilt_by='day',
        rollup_of='fct_usage_hourly',
        indexes=[{'columns': ['usage_date']}],
        pre_hook='{{ index_joins() }}',
    )
}}

{%- set rolled_up_build = rolled_up_build() %}

with

{% if rolled_up_build is not none %}
{{ usage_added('usage_date', "(occurred_at at time zone 'UTC')::date") }}
{% endif %}

hourly as (

    select
        cells.tenant_id,
        cells.dimension_id,
        (cells.usage_hour at time zone 'UTC')::date as usage_date,
        {{ usage_values('cells') }}
    {% if rolled_up_build is not none %}
    from taken_back
    inner join {{ ref('fct_usage_hourly') }} as cells
        on
            taken_back.tenant_id = cells.tenant_id
            and taken_back.dimension_id = cells.dimension_id
            and cells.usage_hour >= taken_back.usage_date::timestamp at time zone 'UTC'
            and cells.usage_hour
            < (taken_back.usage_date + 1)::timestamp at time zone 'UTC'
    {% else %}
    from {{ ref('fct_usage_hourly') }} as cells
    where {{ in_rebuilt_period(instant="cells.usage_hour") }}
    {% endif %}

),

daily as (

    select
        tenant_id,
        dimension_id,
        usage_date,
        {{ usage_values_of_cells() }}
    from hourly
    group by tenant_id, dimension_id, usage_date

)

select
    tenant_id::text as tenant_id,
    dimension_id::text as dimension_id,
    usage_date::date as usage_date,
    {{ typed_usage_values() }}
from daily
{% if rolled_up_build is not none %}

union all

select
    tenant_id::text as tenant_id,
    dimension_id::text as dimension_id,
    usage_date::date as usage_date,
    {{ typed_usage_values() }}
from merged
{% endif %}
