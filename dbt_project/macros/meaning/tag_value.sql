{#- The value of a tag; null where the tag is missing or empty, which clouds do not tell apart. -#}
{% macro tag_value(tags, key) -%}
    nullif({{ json_text(tags, key) }}, '')
{%- endmacro %}
