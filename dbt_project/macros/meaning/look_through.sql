{#-
    An inner join to the rows of a large relation that lie in a stretch of time, [starts_at, ends_at).
    The engine is told to go through the stretches one by one, each found by the index of time, and
    not to read the whole relation for them.
-#}
{% macro look_through(relation, alias, instant, starts_at, ends_at) -%}
    inner join lateral (
        select *
        from {{ relation }} as kept
        where
            kept.{{ instant }} >= {{ starts_at }}
            and kept.{{ instant }} < {{ ends_at }}
        offset 0
    ) as {{ alias }}
        on true
{%- endmacro %}
