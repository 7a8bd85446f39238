{#- The instant at which the UTC month of an instant begins. -#}
{% macro utc_month(instant) -%}
    (date_trunc('month', {{ instant }} at time zone 'UTC') at time zone 'UTC')
{%- endmacro %}
