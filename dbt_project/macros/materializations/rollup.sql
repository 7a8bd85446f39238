{#-
    A table of cells, each of which sums up the journal entries of one tenant, dimension and time. The
    model gives the cells that entries of later builds have touched, as they are with them (see
    `usage_added`), and the others stay: late entries, corrections and a run that died change nothing
    about a cell being what a full rebuild would make it.

    Which builds a rollup holds stands in `ops.rollups`, written in the transaction that writes the
    cells. Without that row, or where the model means something else by now, everything is rebuilt.

    Cells of archived months are never touched, as nothing new is journaled for these; a rebuild
    carries them over from the table there is.

    config: cell = the columns that make a cell, and the table's unique key; rebuilt_by = day or month,
    see `in_rebuilt_period`; rollup_of = the rollup whose cells it is made of, if any; definition_query =
    a query whose answer changes when the meaning of the cells does; usage_month = the UTC month of a
    cell, for rollups that are made of the journal itself.
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
        "select rollups.build_number from ops.rollups cross join ops.parameters"
        ~ " where rollups.rollup = '" ~ this.identifier ~ "'"
        ~ " and rollups.definition = " ~ rollup_definition()
    ) -%}
    {{ return(found.rows[0][0] | int if found.rows else none) }}
{%- endmacro %}


{#- What the cells mean, in SQL: the files they are made by, and what the catalog makes of them. -#}
{% macro rollup_definition() -%}
    {%- set query = config.get('definition_query') -%}
    {%- set queried = run_query(query).rows[0][0] if query else '' -%}
    {{ return("parameters.rollup_definition || '" ~ (queried or '') ~ "'") }}
{%- endmacro %}


{#-
    Made beside the old table, which can be read until the last moment, and period by period: the cells
    of one fit into memory, those of a whole history do not.
-#}
{% macro rebuild_rollup(relation, cell, sql) -%}
    {%- set rebuilt = make_intermediate_relation(relation) -%}
    {%- set is_made_of_journal = config.get('usage_month') is not none -%}
    drop table if exists {{ rebuilt }} cascade;
    create table {{ rebuilt }} as select * from ({{ sql }}) as cells limit 0;
    {% if is_made_of_journal and has_archive() %}
        {{ carry_archived_cells(rebuilt) }};
    {% endif %}
    {% for period in usage_periods(config.require('rebuilt_by'), with_archived=not is_made_of_journal) %}
        insert into {{ rebuilt }}
        {{ sql | replace(beginning_of_time(), period[0]) | replace(end_of_time(), period[1]) }};
    {% endfor %}
    alter table {{ rebuilt }}
        {% for column in model.columns.values() if column.constraints -%}
            alter column {{ column.name }} set not null{{ ', ' if not loop.last }}
        {%- endfor %};
    create unique index on {{ rebuilt }} ({{ cell | join(', ') }});
    analyze {{ rebuilt }};
    drop table if exists {{ relation }} cascade;
    alter table {{ rebuilt }} rename to {{ relation.identifier }}
{%- endmacro %}


{#-
    The cells of archived months, which can be made of nothing else than themselves: as the pipeline's
    table has them, whichever target is built. They hold what an archived month held in the end; that
    a recomputation may see all of it is known before it begins.
-#}
{% macro carry_archived_cells(relation) -%}
    {%- set kept = api.Relation.create(
        database=this.database, schema=config.get('schema'), identifier=this.identifier
    ) -%}
    {#- Not asked of dbt's cache: beside another target it takes this schema in one relation at a time, and a
        thread that asks meanwhile finds the others missing. -#}
    {%- set is_missing = run_query(
        "select to_regclass('" ~ kept.include(database=False) ~ "') is null"
    ).rows[0][0] -%}
    {%- if is_missing or has_new_keys() -%}
        {{ exceptions.raise_compiler_error(
            this.identifier ~ ' cannot be rebuilt: a part of the journal is archived. Bring it back with '
            ~ archives_to_restore() ~ ', then run again'
        ) }}
    {%- endif -%}
    insert into {{ relation }}
    select {{ model.columns.keys() | join(', ') }}
    from {{ kept }}
    where {{ config.get('usage_month') }} in (select usage_month from ops.archived_months)
{%- endmacro %}


{#- Whether the cells of archived months lack something that later versions of the catalog ask for. -#}
{% macro has_new_keys() -%}
    {%- set query = config.get('new_keys_query') -%}
    {{ return(query is not none and run_query(query).rows[0][0]) }}
{%- endmacro %}


{% macro archives_to_restore() -%}
    {%- set found = run_query('select distinct archive_id from ops.archived_months order by archive_id') -%}
    {%- set commands = [] -%}
    {%- for archive in found.rows -%}
        {%- do commands.append('`meterhouse journal restore ' ~ archive[0] ~ '`') -%}
    {%- endfor -%}
    {{ return(commands | join(' and ')) }}
{%- endmacro %}


{#- The periods, days or months, of the months in which there is usage, as pairs of instants. -#}
{% macro usage_periods(length, with_archived) -%}
    {{ return(run_query("
        select distinct starts_at::text, (starts_at + interval '1 " ~ length ~ "')::text
        from (
            select generate_series(
                usage_month::timestamp,
                usage_month + interval '1 month' - interval '1 day',
                interval '1 " ~ length ~ "'
            ) at time zone 'UTC' as starts_at
            from (select distinct usage_month from " ~ generate_schema_name('journal', none) ~ ".jnl_control_totals) as months
            " ~ ('' if with_archived else 'where usage_month not in (select usage_month from ops.archived_months)') ~ "
        ) as periods
        order by starts_at::text
    ").rows) }}
{%- endmacro %}


{#-
    The condition that the instant, or the UTC date, lies in the period that a rebuild is at; elsewhere it always holds.
    A rollup's query says with it of which rows its cells are made.
-#}
{% macro in_rebuilt_period(instant=none, date=none) -%}
    {%- if instant -%}
        {{ instant }} >= '{{ beginning_of_time() }}'::timestamptz
        and {{ instant }} < '{{ end_of_time() }}'::timestamptz
    {%- else -%}
        {{ date }} >= ('{{ beginning_of_time() }}'::timestamptz at time zone 'UTC')::date
        and {{ date }} < ('{{ end_of_time() }}'::timestamptz at time zone 'UTC')::date
    {%- endif -%}
{%- endmacro %}


{% macro beginning_of_time() -%}
    {{ return('-infinity') }}
{%- endmacro %}


{% macro end_of_time() -%}
    {{ return('infinity') }}
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


{#-
    The last build whose entries a rollup is to hold: this one, but of a rollup no later one than it holds
    itself. Where a part of the models is built, the journal may be ahead of it.
-#}
{% macro build_to_roll_up() -%}
    (
        select
            least(
                build_number,
                (select build_number from ops.rollups where rollup = '{{ config.get('rollup_of', '') }}')
            )
        from ops.parameters
    )
{%- endmacro %}


{% macro remember_rollup() -%}
    {% if target.name == 'warehouse' %}
        insert into ops.rollups (rollup, build_number, definition)
        select
            '{{ this.identifier }}' as rollup,
            {{ build_to_roll_up() }} as build_number,
            {{ rollup_definition() }} as definition
        from ops.parameters
        on conflict (rollup) do update
        set
            build_number = excluded.build_number,
            definition = excluded.definition
    {% else %}
        select 1
    {% endif %}
{%- endmacro %}
