{#- The instant at which the UTC day of an instant begins. -#}
{% macro utc_day(instant) -%}
    date_bin('1 day', {{ instant }}, '2000-01-01 00:00:00+00'::timestamptz)
{%- endmacro %}
