{#-
    Stops a build at a table that is filled already and breaks what its model states: a `primary_key`, whose
    columns are always known; a `unique` key, for which nulls are equal, as a part of a grain may be unknown;
    a column that is `not_null`. With a contract, Postgres is given them as constraints. Without one they
    are only looked for: an index cannot hold a long value of a customer's metadata, and an error of its own
    would show whose rows they are.
-#}
{% macro keep_keys(relation) -%}
    {%- if config.get('contract').enforced -%}
        {%- for rendered in adapter.render_raw_model_constraints(raw_constraints=model.constraints) %}
            alter table {{ relation }} add {{ rendered }};
        {%- endfor %}
    {%- else -%}
        {%- for column in model.columns.values() if column.constraints %}
            {{ refuse_rows(relation, column.name ~ ' is null', column.name ~ ' is unknown') }}
        {%- endfor %}
        {%- for constraint in model.constraints %}
            {%- set columns = constraint.columns | join(', ') -%}
            {%- if constraint.type == 'primary_key' %}
                {{ refuse_rows(
                    relation,
                    'num_nulls(' ~ columns ~ ') > 0',
                    'a part of the key (' ~ columns ~ ') is unknown'
                ) }}
            {%- elif constraint.type != 'unique' -%}
                {{ exceptions.raise_compiler_error(
                    'without a contract, nothing keeps a constraint of the type ' ~ constraint.type
                ) }}
            {%- endif %}
            {{ refuse_rows(
                relation,
                'true group by ' ~ columns ~ ' having count(*) > 1',
                'several rows have the same key (' ~ columns ~ ')'
            ) }}
        {%- endfor %}
    {%- endif -%}
{%- endmacro %}


{#- Raises if there is a row of a relation for which the condition holds. -#}
{% macro refuse_rows(relation, condition, problem) -%}
    do $refuse$
    begin
        if exists (select from {{ relation }} where {{ condition }}) then
            raise integrity_constraint_violation using message = 'in {{ model.name }} {{ problem }}';
        end if;
    end
    $refuse$;
{%- endmacro %}


{#- The columns of a table with a contract; the keys of one that is made at once come when it is filled. -#}
{% macro postgres__get_table_columns_and_constraints() -%}
    {%- set parts = adapter.render_raw_columns_constraints(raw_columns=model.columns) -%}
    {%- if config.get('materialized') != 'table' -%}
        {%- do parts.extend(adapter.render_raw_model_constraints(raw_constraints=model.constraints)) -%}
    {%- endif -%}
    ({{ parts | join(', ') }})
{%- endmacro %}
