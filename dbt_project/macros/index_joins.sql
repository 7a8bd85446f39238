{#- A hook for models that look up a few cells of a large table: see `hash_joins` for the opposite. -#}
{% macro index_joins() -%}
    set local enable_hashjoin = off;
    set local enable_mergejoin = off
{%- endmacro %}
