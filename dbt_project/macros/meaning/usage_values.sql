{#- What is known of the usage of a cell, and how it comes about: the one place of these six columns. -#}
{% macro usage_value_names() -%}
    {{ return([
        'quantity_sum', 'record_count', 'quantity_min', 'quantity_max', 'quantity_last', 'last_recorded_at'
    ]) }}
{%- endmacro %}


{#- The values, as columns of a relation. -#}
{% macro usage_values(relation=none) -%}
    {%- for name in usage_value_names() %}
        {{ relation ~ '.' if relation }}{{ name }}{{ ',' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}


{#-
    The values of journal entries. Sums and counts take reversals as they are; a minimum or a latest
    value must not see what was taken back, hence `is_standing`.
-#}
{% macro usage_values_of_entries() %}
        sum(value) as quantity_sum,
        sum(sign) as record_count,
        min(value) filter (where is_standing) as quantity_min,
        max(value) filter (where is_standing) as quantity_max,
        {{ latest_by('value', 'occurred_at', 'is_standing') }} as quantity_last,
        max(occurred_at) filter (where is_standing) as last_recorded_at
{%- endmacro %}


{#- The values of several cells as one. -#}
{% macro usage_values_of_cells() %}
        sum(quantity_sum) as quantity_sum,
        sum(record_count) as record_count,
        min(quantity_min) as quantity_min,
        max(quantity_max) as quantity_max,
        {{ latest_by('quantity_last', 'last_recorded_at', 'last_recorded_at is not null') }}
            as quantity_last,
        max(last_recorded_at) as last_recorded_at
{%- endmacro %}


{#-
    The values of a cell that is `kept`, or null, and of entries `added` to it, of which none reverses
    another.
-#}
{% macro usage_values_with_added(kept, added) %}
        coalesce({{ kept }}.quantity_sum, 0) + {{ added }}.quantity_sum as quantity_sum,
        coalesce({{ kept }}.record_count, 0) + {{ added }}.record_count as record_count,
        least({{ kept }}.quantity_min, {{ added }}.quantity_min) as quantity_min,
        greatest({{ kept }}.quantity_max, {{ added }}.quantity_max) as quantity_max,
        case
            -- What cancels a record of another cell adds an entry here, and no value.
            when {{ added }}.last_recorded_at is null then {{ kept }}.quantity_last
            when {{ kept }}.last_recorded_at > {{ added }}.last_recorded_at
                then {{ kept }}.quantity_last
            when {{ kept }}.last_recorded_at = {{ added }}.last_recorded_at
                then greatest({{ kept }}.quantity_last, {{ added }}.quantity_last)
            else {{ added }}.quantity_last
        end as quantity_last,
        greatest({{ kept }}.last_recorded_at, {{ added }}.last_recorded_at) as last_recorded_at
{%- endmacro %}


{#- The values with their types. -#}
{% macro typed_usage_values() %}
    quantity_sum::numeric(38, 9) as quantity_sum,
    record_count::bigint as record_count,
    quantity_min::numeric(38, 9) as quantity_min,
    quantity_max::numeric(38, 9) as quantity_max,
    quantity_last::numeric(38, 9) as quantity_last,
    last_recorded_at::timestamptz as last_recorded_at
{%- endmacro %}
