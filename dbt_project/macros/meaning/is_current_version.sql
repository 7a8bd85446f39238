{#- Keeps the rows of the catalog's version that this build is about. -#}
{% macro is_current_version() -%}
    catalog_version in (select catalog_version from {{ source('ops', 'parameters') }})
{%- endmacro %}
