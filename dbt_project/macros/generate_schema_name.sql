{#-
    A layer's schema has the layer's bare name. Under the target `recompute`, everything behind the
    journal is built into schemas of its own, so that a finalised invoice can be rated again from
    the same journal without touching what readers see.
-#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set layer = custom_schema_name or target.schema -%}
    {%- if target.name == 'warehouse' or layer in ('journal', 'ops') -%}
        {{ layer }}
    {%- else -%}
        {{ target.name }}_{{ layer }}
    {%- endif -%}
{%- endmacro %}
