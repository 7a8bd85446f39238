{#- A payable amount: rounded once, half away from zero, to the currency's minor unit. -#}
{% macro round_to_currency(amount, minor_units) -%}
    round({{ amount }}, {{ minor_units }})::numeric(20, 3)
{%- endmacro %}
