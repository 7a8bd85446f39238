{#- The value of a key of a JSON object as text; null where the key is missing or holds nothing. -#}
{% macro json_text(object, key) -%}
    nullif({{ object }} ->> {{ key }}, '')
{%- endmacro %}
