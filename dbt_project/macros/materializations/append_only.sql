{#-
    A table that is only ever added to. The first run creates it from its contract; every run
    inserts what the model selects, straight into the table: one write per row, where dbt's
    incremental writes a temporary copy first. The model itself says which rows are new, by an
    anti-join against `this`, so a run that died is completed by the next one.

    config: partition_by_hash = {column, count}; index and trigger definitions come from `indexes`
    and from here: any update, delete or truncate raises.
-#}
{% materialization append_only, adapter='postgres' %}

    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set partitions = config.get('partition_by_hash') -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {% if existing_relation is none %}
        {% call statement('create') -%}
            create table {{ target_relation }} {{ get_table_columns_and_constraints() }}
            {% if partitions %} partition by hash ({{ partitions.column }}) {% endif %}
            ;
            {% if partitions %}
                {% for remainder in range(partitions.count) %}
                    create table {{ target_relation.include(identifier=false) }}."{{ this.identifier }}_{{ remainder }}"
                    partition of {{ target_relation }}
                    for values with (modulus {{ partitions.count }}, remainder {{ remainder }});
                {% endfor %}
            {% endif %}
            {{ refuse_changes(target_relation) }}
        {%- endcall %}
        {% do create_indexes(target_relation) %}
        {% do persist_docs(target_relation, model) %}
    {% endif %}

    {% call statement('main') -%}
        {{ append_rows(target_relation, sql) }}
    {%- endcall %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}

{% endmaterialization %}


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
{%- endmacro %}


{% macro refuse_changes(relation) -%}
    create trigger refuse_change before update or delete on {{ relation }}
    for each row execute function ops.refuse_change();
    create trigger refuse_truncate before truncate on {{ relation }}
    for each statement execute function ops.refuse_change();
{%- endmacro %}
