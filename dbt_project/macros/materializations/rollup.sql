{#-
    A table of cells, each of which sums up the journal entries of one tenant, dimension and time. A
    run recomputes the cells that entries of later builds have touched, from all entries of these
    cells, and leaves the others as they are: late entries, corrections and a run that died change
    nothing about a cell being what a full rebuild would make it. See `touched_cells`.

    Which builds a rollup holds stands in `ops.rollups`, written in the transaction that writes the
    cells. Without that row, or where the model means something else by now, everything is rebuilt.

    config: cell = the columns that make a cell, and the table's unique key; definition_query = a
    query whose answer changes when the meaning of the cells does.
-#}
{% materialization rollup, adapter='postgres' %}

    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set cell = config.require('cell') -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {{ get_assert_columns_equivalent(sql) }}
    {% if rolled_up_build() is none %}
        {% call statement('main') -%}
            {{ rebuild_rollup(target_relation, cell, sql) }}
        {%- endcall %}
        {% do create_indexes(target_relation) %}
        {% do persist_docs(target_relation, model) %}
    {% else %}
        {% call statement('main') -%}
            {{ replace_cells(target_relation, cell, sql) }}
        {%- endcall %}
    {% endif %}
    {% call statement('state') -%}
        {{ remember_rollup() }}
    {%- endcall %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}

{% endmaterialization %}


{#-
    The last build whose entries the model's table holds, or none where it has to be rebuilt: it is
    not there, means something else, or belongs to a recomputation, which looks at another journal.
-#}
{% macro rolled_up_build() -%}
    {%- if not execute or this is none or this is string or target.name != 'warehouse' or flags.FULL_REFRESH -%}
        {{ return(none) }}
    {%- endif -%}
    {%- if load_cached_relation(this) is none -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set found = run_query(
        "select build_number from ops.rollups where rollup = '" ~ this.identifier
        ~ "' and definition = '" ~ rollup_definition() ~ "'"
    ) -%}
    {{ return(found.rows[0][0] | int if found.rows else none) }}
{%- endmacro %}


{% macro rollup_definition() -%}
    {%- set query = config.get('definition_query') -%}
    {%- set queried = run_query(query).rows[0][0] if query else '' -%}
    {{ return(local_md5(queried ~ model.raw_code)) }}
{%- endmacro %}


{#-
    Made as the result of a query, which parallel workers may fill, and beside the old one, which can be
    read until the last moment.
-#}
{% macro rebuild_rollup(relation, cell, sql) -%}
    {%- set rebuilt = make_intermediate_relation(relation) -%}
    drop table if exists {{ rebuilt }} cascade;
    create table {{ rebuilt }} as {{ sql }};
    {% for column in model.columns.values() if column.constraints %}
        alter table {{ rebuilt }} alter column {{ column.name }} set not null;
    {% endfor %}
    create unique index on {{ rebuilt }} ({{ cell | join(', ') }});
    analyze {{ rebuilt }};
    drop table if exists {{ relation }} cascade;
    alter table {{ rebuilt }} rename to {{ relation.identifier }}
{%- endmacro %}


{% macro replace_cells(relation, cell, sql) -%}
    {%- set names = model.columns.keys() | list -%}
    {%- set values = names | reject('in', cell) | list -%}
    insert into {{ relation }} as kept ({{ names | join(', ') }})
    select {{ names | join(', ') }}
    from (
        {{ sql }}
    ) as recomputed
    on conflict ({{ cell | join(', ') }}) do update
    set
        {% for name in values -%}
            {{ name }} = excluded.{{ name }}{{ ', ' if not loop.last }}
        {%- endfor %}
    where
        ({% for name in values %}kept.{{ name }}{{ ', ' if not loop.last }}{% endfor %})
        is distinct from
        ({% for name in values %}excluded.{{ name }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}


{% macro remember_rollup() -%}
    {% if target.name == 'warehouse' %}
        insert into ops.rollups (rollup, build_number, definition)
        select
            '{{ this.identifier }}' as rollup,
            build_number,
            '{{ rollup_definition() }}' as definition
        from ops.parameters
        on conflict (rollup) do update
        set
            build_number = excluded.build_number,
            definition = excluded.definition
    {% else %}
        select 1
    {% endif %}
{%- endmacro %}
