{#-
    The value that comes last by instant, within a group; at the same instant, the highest. Found as a
    maximum, without sorting the group; of an instant, all microseconds count.
-#}
{% macro latest_by(value, instant, condition) -%}
    (
        max(array[extract(epoch from {{ instant }}), {{ value }}]) filter (where {{ condition }})
    )[2]::numeric(38, 9)
{%- endmacro %}
