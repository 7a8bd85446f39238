{#-
    Where a target finds the catalog, for queries that are asked before there is a model: as the source
    `catalog` has it. Previews and back-tests have one of their own, with versions nobody has published.
-#}
{% macro catalog_schema() -%}
    {{ 'catalog' if target.name in ('warehouse', 'recompute') else target.name ~ '_catalog' }}
{%- endmacro %}
