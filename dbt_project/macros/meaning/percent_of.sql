{#- How many percent `part` is of `whole`, to 4 decimals; null where the whole is not above zero. -#}
{% macro percent_of(part, whole) -%}
    case when {{ whole }} > 0 then {{ divide('100 * (' ~ part ~ ')', whole, 4) }} end
{%- endmacro %}
