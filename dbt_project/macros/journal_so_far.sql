{#-
    The journal as earlier builds have left it, or none before the first. What a build journals follows
    from it, so it cannot be a reference, which would make the story of a build a circle.
-#}
{% macro journal_so_far() -%}
    {%- if not execute -%}
        {{ return(none) }}
    {%- endif -%}
    {{ return(adapter.get_relation(this.database, 'journal', 'jnl_usage_entries')) }}
{%- endmacro %}
