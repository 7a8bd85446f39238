{#-
    The value of the row that comes last in the given order, within a group. The order must end in
    a unique column, else the answer would depend on how the rows happen to lie.
-#}
{% macro latest_by(value, order_by, condition) -%}
    (array_agg({{ value }} order by {{ order_by }}) filter (where {{ condition }}))[1]
{%- endmacro %}
