{#-
    Said of a common table expression that several others read: each is to read the source anew. Left
    alone, Postgres would first write all its rows to disk; other engines would not.
-#}
{% macro inlined() -%}
    not materialized
{%- endmacro %}
