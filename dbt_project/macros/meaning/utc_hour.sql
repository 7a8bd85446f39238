{#- The instant at which the UTC hour of an instant begins. -#}
{% macro utc_hour(instant) -%}
    (date_trunc('hour', {{ instant }} at time zone 'UTC') at time zone 'UTC')
{%- endmacro %}
