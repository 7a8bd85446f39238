{#- What is priced of a quantity: units, or packages of which a started one counts as the price says. -#}
{% macro in_priced_units(quantity, price) -%}
    case
        when {{ price }}.model = 'package'
            then {{ round_by_mode(
                divide(quantity, price ~ '.package_size', 18),
                '0',
                price ~ '.package_rounding'
            ) }}
        else {{ quantity }}
    end
{%- endmacro %}
