{#- The UTC calendar date of an instant. -#}
{% macro utc_date(instant) -%}
    ({{ instant }} at time zone 'UTC')::date
{%- endmacro %}
