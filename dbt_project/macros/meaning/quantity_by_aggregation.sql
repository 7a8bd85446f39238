{#-
    The quantity of a usage rollup's row that stands for usage when costs are shared out: what the
    dimension's aggregation keeps. Distinct values cannot be told from a rollup, so records stand in
    for them. Where every record was taken back there is no highest or latest value: 0.
-#}
{% macro quantity_by_aggregation(aggregation, rollup) -%}
    coalesce(
        case {{ aggregation }}
            when 'sum' then {{ rollup }}.quantity_sum
            when 'max' then {{ rollup }}.quantity_max
            when 'latest' then {{ rollup }}.quantity_last
            else {{ rollup }}.record_count
        end,
        0
    )
{%- endmacro %}
