{#-
    A hook for models that join what a build has just written. Nothing is known yet about how much
    that is, so the planner takes it for a handful of rows and joins it by nested loops, which take
    hours where a hash join takes a second. Lookups by `look_up` stay what they are. Tests that join
    have it as their `sql_header`.
-#}
{% macro hash_joins() -%}
    set local enable_nestloop = off;
    set local enable_mergejoin = off
{%- endmacro %}
