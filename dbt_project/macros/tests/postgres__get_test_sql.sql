{#- A test may have a `sql_header`, as a model may: dbt 1.11 takes it in, and leaves it out of what it runs. -#}
{% macro postgres__get_test_sql(main_sql, fail_calc, warn_if, error_if, limit) -%}
    {{ config.get('sql_header') or '' }}
    {{ dbt.default__get_test_sql(main_sql, fail_calc, warn_if, error_if, limit) }}
{%- endmacro %}
