{#-
    A left join to at most one row of a large relation, found by its key. The engine is told to look
    up each key: a plan that reads the whole relation would cost more with every day of history.
-#}
{% macro look_up(relation, alias, condition) -%}
    left join lateral (
        select *
        from {{ relation }} as kept
        where {{ condition }}
        limit 1
    ) as {{ alias }}
        on true
{%- endmacro %}
