{#-
    Gives a table that is filled already the keys that its model states, with or without a contract: sorting
    all rows at once takes a fraction of as many insertions into an index. `primary_key` has no nulls; to
    `unique`, nulls are equal: it is a grain of which a part may be unknown.
-#}
{% macro create_keys(relation) -%}
    {%- for constraint in model.constraints %}
        alter table {{ relation }} add
        {{ 'primary key' if constraint.type == 'primary_key' else 'unique nulls not distinct' }}
        ({{ constraint.columns | join(', ') }});
    {%- endfor %}
{%- endmacro %}


{#- Columns of a table with a contract; its keys come when it is filled. -#}
{% macro postgres__get_table_columns_and_constraints() -%}
    ({{ adapter.render_raw_columns_constraints(raw_columns=model['columns']) | join(', ') }})
{%- endmacro %}
