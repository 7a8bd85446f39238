{#- An amount counted in the currency's minor units, which are whole: cents, yen, fils. -#}
{% macro to_minor(amount, minor_units) -%}
    trunc(({{ amount }}) * power(10::numeric, {{ minor_units }}))
{%- endmacro %}


{#- The payable amount of a whole number of the currency's minor units. -#}
{% macro from_minor(units, minor_units) -%}
    round(({{ units }}) / power(10::numeric, {{ minor_units }}), 3)::numeric(20, 3)
{%- endmacro %}
