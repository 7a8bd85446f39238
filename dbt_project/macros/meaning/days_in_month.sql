{#- The number of days in the month of a date. -#}
{% macro days_in_month(day) -%}
    extract(
        day from date_trunc('month', ({{ day }})::timestamp) + interval '1 month' - interval '1 day'
    )::integer
{%- endmacro %}
