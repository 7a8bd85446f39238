{#- What a dimension's aggregation makes of the values of a tenant's cells; null where nothing stands. -#}
{% macro aggregate_of_values(aggregation) -%}
    case {{ aggregation }}
        when 'sum' then quantity_sum
        when 'count' then record_count
        when 'max' then quantity_max
        when 'min' then quantity_min
        when 'latest' then quantity_last
        when 'average' then {{ divide('quantity_sum', 'nullif(record_count, 0)', 18) }}
    end
{%- endmacro %}
