{#-
    The quantity of a usage rollup's row that stands for usage when costs are shared out: what the
    dimension's aggregation keeps. Distinct values cannot be told from a rollup, so records stand in
    for them, and sums for what takes time into account. Where every record was taken back there is no highest or latest value: 0.
-#}
{% macro quantity_by_aggregation(aggregation, rollup) -%}
    coalesce(
        case {{ aggregation }}
            when 'sum' then {{ rollup }}.quantity_sum
            when 'min' then {{ rollup }}.quantity_min
            when 'average'
                then {{ divide(
                    rollup ~ '.quantity_sum', 'nullif(' ~ rollup ~ '.record_count, 0)', 9
                ) }}
            when 'time_weighted' then {{ rollup }}.quantity_sum
            when 'percentile' then {{ rollup }}.quantity_sum
            when 'max' then {{ rollup }}.quantity_max
            when 'latest' then {{ rollup }}.quantity_last
            else {{ rollup }}.record_count
        end,
        0
    )
{%- endmacro %}
