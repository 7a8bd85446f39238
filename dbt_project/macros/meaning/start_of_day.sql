{#- The instant at which a calendar date begins in a time zone. -#}
{% macro start_of_day(day, timezone) -%}
    (({{ day }})::timestamp at time zone {{ timezone }})
{%- endmacro %}
