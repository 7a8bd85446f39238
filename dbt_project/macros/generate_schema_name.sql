{#-
    A layer's schema has the layer's bare name. Under any other target than `warehouse`, everything
    behind the journal is built into schemas of the target's own, beside what readers see: under
    `recompute` to rate a finalised invoice again, under `backtest` to rate history by another catalog,
    and under `preview` with a journal of its own, of one customer.
-#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set layer = custom_schema_name or target.schema -%}
    {%- set is_shared = layer == 'ops' or (layer == 'journal' and target.name != 'preview') -%}
    {%- if target.name == 'warehouse' or is_shared -%}
        {{ layer }}
    {%- else -%}
        {{ target.name }}_{{ layer }}
    {%- endif -%}
{%- endmacro %}
