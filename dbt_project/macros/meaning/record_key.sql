{#- The key of a record of a source: the same hash that landing gives it. -#}
{% macro record_key(source, record_id) -%}
    md5({{ source }} || chr(31) || {{ record_id }})::uuid
{%- endmacro %}
