{#-
    A table that is made beside the one there is and takes its place in one statement, at the end: whoever
    reads waits for that alone, and a build that dies leaves the old one. dbt's own does the same by way
    of a third name, with a call of Python for each step, which is most of what a small model costs.

    The keys among the model's `constraints` are its grain. A table that breaks one is never seen: the build
    stops at it, and what was there before stays.
-#}
{% materialization table, adapter='postgres' %}

    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set built = make_intermediate_relation(target_relation) -%}
    {%- set existing = load_cached_relation(this) -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {% call statement('main') -%}
        {{ get_create_table_as_sql(False, built, sql) }}
    {%- endcall %}
    {% do create_indexes(built) %}
    {% do persist_docs(built, model) %}
    {% call statement('swap') -%}
        {{ keep_keys(built) }}
        {% if existing is not none -%}
            {{ get_drop_sql(existing) }};
        {%- endif %}
        alter table {{ built }} rename to {{ adapter.quote(this.identifier) }}
    {%- endcall %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}

{% endmaterialization %}
