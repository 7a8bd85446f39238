{#- A quantity rounded as its dimension says: up and down are away from and towards zero. -#}
{% macro round_by_mode(quantity, decimals, mode) -%}
    case {{ mode }}
        when 'up'
            then
                sign({{ quantity }})
                * ceil(abs({{ quantity }}) * power(10::numeric, {{ decimals }}))
                / power(10::numeric, {{ decimals }})
        when 'down' then trunc({{ quantity }}, {{ decimals }})
        when 'half_up' then round({{ quantity }}, {{ decimals }})
    end
{%- endmacro %}
