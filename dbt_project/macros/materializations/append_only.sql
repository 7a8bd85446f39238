{#-
    A table that is only ever added to: one write per row, where dbt's incremental writes a temporary
    copy first. A row whose unique key is there already is left out, so a run that died is completed by
    the next one, and a run again adds nothing. A model that finds out itself what is there already says
    so (`gives_new_keys_only`): Postgres then writes in half the time, and a key that is there is an error.

    On its first run the table is filled before its indexes are made: sorting all keys at once takes
    a fraction of the time of as many insertions into an index. Of rows that have a key in common, the
    model must therefore give one only.

    config: partition_by_hash = {column, count}; unique_keys = [{columns, where}], of which a
    partitioned table's must hold the partition's column; brin = columns by which rows lie roughly in
    order. Any update, delete or truncate raises, and the owner has no privilege for it.
-#}
{% materialization append_only, adapter='postgres' %}

    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing_relation = load_cached_relation(this) -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {% if existing_relation is none %}
        {% call statement('create') -%}
            {{ create_append_only(target_relation) }}
        {%- endcall %}
    {% endif %}

    {% call statement('main') -%}
        {{ append_rows(target_relation, sql) }}
    {%- endcall %}

    {% if existing_relation is none %}
        {% if config.get('unique_keys') %}
            {% call statement('unique_keys') -%}
                {{ create_unique_keys(target_relation) }}
            {%- endcall %}
        {% endif %}
        {% if config.get('brin') %}
            {% call statement('brin') -%}
                {{ create_brin(target_relation) }}
            {%- endcall %}
        {% endif %}
        {% do persist_docs(target_relation, model) %}
        {% call statement('analyze') -%}
            analyze {{ target_relation }}
        {%- endcall %}
    {% endif %}

    {% call statement('summarize') -%}
        {{ summarize_ranges(target_relation) }}
    {%- endcall %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}

{% endmaterialization %}


{#-
    Has the BRIN indexes take note of the new rows. Until then every query reads all that was added
    since the last vacuum, which comes when a fifth of the table is new.
-#}
{% macro summarize_ranges(relation) -%}
    select brin_summarize_new_values(indexes.indexrelid)
    from pg_partition_tree('{{ relation }}'::regclass) as tree
    inner join pg_index as indexes
        on tree.relid = indexes.indrelid
    inner join pg_class as relations
        on indexes.indexrelid = relations.oid
    inner join pg_am
        on relations.relam = pg_am.oid
    where
        tree.isleaf
        and pg_am.amname = 'brin'
{%- endmacro %}


{% macro create_append_only(relation) -%}
    {%- set partitions = config.get('partition_by_hash') -%}
    create table {{ relation }} {{ get_table_columns_and_constraints() }}
    {% if partitions %} partition by hash ({{ partitions.column }}) {% endif %}
    ;
    {{ refuse_changes(relation) }}
    {% if partitions %}
        {% for remainder in range(partitions.count) %}
            {%- set partition = relation.incorporate(path={'identifier': this.identifier ~ '_' ~ remainder}) %}
            create table {{ partition }}
            partition of {{ relation }}
            for values with (modulus {{ partitions.count }}, remainder {{ remainder }});
            {{ refuse_truncate(partition) }}
        {% endfor %}
    {% endif %}
{%- endmacro %}


{% macro create_unique_keys(relation) -%}
    {% for key in config.get('unique_keys') %}
        create unique index on {{ relation }} ({{ key.columns | join(', ') }})
        {% if key.where %} where {{ key.where }} {% endif %};
    {% endfor %}
{%- endmacro %}


{#-
    One index for all the columns, read once where it takes note of new rows. Its ranges are narrower than
    Postgres makes them by itself: what came late lies in the first range of a batch, and is read with
    each of the days in it.
-#}
{% macro create_brin(relation) -%}
    create index on {{ relation }} using brin ({{ config.get('brin') | join(', ') }})
    with (pages_per_range = 32)
{%- endmacro %}


{% macro append_rows(relation, sql) -%}
    {%- set names = [] -%}
    {%- for column in model.columns.values() -%}
        {%- do names.append(adapter.quote(column.name)) -%}
    {%- endfor -%}
    insert into {{ relation }} ({{ names | join(', ') }})
    select {{ names | join(', ') }}
    from (
        {{ sql }}
    ) as new_rows
    {% if not config.get('gives_new_keys_only') %} on conflict do nothing {% endif %}
{%- endmacro %}


{#- A row trigger of a partitioned table stands on its partitions as well; one for truncate does not. -#}
{% macro refuse_changes(relation) -%}
    create trigger refuse_change before update or delete on {{ relation }}
    for each row execute function ops.refuse_change();
    {{ refuse_truncate(relation) }}
{%- endmacro %}


{% macro refuse_truncate(relation) -%}
    create trigger refuse_truncate before truncate on {{ relation }}
    for each statement execute function ops.refuse_change();
    revoke update, delete, truncate on {{ relation }} from current_user;
{%- endmacro %}
