{#-
    What of a quantity until some instant is beyond the units that are free of it. One that
    corrections have made negative is taken back, and leaves what is free as it is.
-#}
{% macro beyond(quantity, free_units) -%}
    case
        when {{ quantity }} > {{ free_units }} then {{ quantity }} - {{ free_units }}
        when {{ quantity }} < 0 then {{ quantity }}
        else 0
    end
{%- endmacro %}
