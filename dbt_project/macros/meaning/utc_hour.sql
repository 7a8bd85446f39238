{#- The instant at which the UTC hour of an instant begins. -#}
{% macro utc_hour(instant) -%}
    date_bin('1 hour', {{ instant }}, '2000-01-01 00:00:00+00'::timestamptz)
{%- endmacro %}
