{#- The text under a key of a JSON object; null where there is none. -#}
{% macro json_text(object, key) -%}
    {{ object }} ->> {{ key }}
{%- endmacro %}
