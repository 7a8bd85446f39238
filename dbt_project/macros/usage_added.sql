{#-
    Common table expressions for a rollup that goes on from where it was: `added`, what has been
    journaled since by cell; `merged`, the cells with it; and `taken_back`, the cells of which something
    was reversed: their lowest, highest and latest values are not known without looking at all of them,
    so these are computed anew.

    `cell` is the column of time, and `time` what it is of an entry.
-#}
{% macro usage_added(cell, time) -%}
added as (

    select
        tenant_id,
        dimension_id,
        {{ time }} as {{ cell }},
        {{ usage_values_of_entries() }},
        bool_or(is_reversal) as is_taken_back
    from (
        select
            journal.*,
            journal.sign = 1 as is_standing
        from {{ ref('jnl_usage_entries') }} as journal
        where
            journal.build_number > {{ rolled_up_build() }}
            and journal.build_number <= {{ build_to_roll_up() }}
    ) as entries
    group by tenant_id, dimension_id, {{ time }}

),

merged as (

    select
        added.tenant_id,
        added.dimension_id,
        added.{{ cell }},
        {{ usage_values_with_added('known', 'added') }}
    from added
    {{
        look_up(
            this,
            'known',
            'kept.tenant_id = added.tenant_id and kept.dimension_id = added.dimension_id'
            ~ ' and kept.' ~ cell ~ ' = added.' ~ cell
        )
    }}
    where not added.is_taken_back

),

taken_back as (

    select
        tenant_id,
        dimension_id,
        {{ cell }}
    from added
    where is_taken_back

),
{%- endmacro %}
