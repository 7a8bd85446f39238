{#-
    What the journal has refused in earlier builds, or none where there is nothing yet. It is written
    later in the story of a build, so it cannot be a reference, which would make the story a circle.
-#}
{% macro earlier_refusals() -%}
    {%- if not execute or this is none or this is string -%}
        {{ return(none) }}
    {%- endif -%}
    {{ return(adapter.get_relation(this.database, this.schema, 'jnl_conflicting_records')) }}
{%- endmacro %}
