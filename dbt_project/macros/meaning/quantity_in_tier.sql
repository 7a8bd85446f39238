{#-
    How much of a quantity lies in a tier. The first tier takes what corrections have made negative,
    so that it is taken back at the price of the first unit.
-#}
{% macro quantity_in_tier(quantity) -%}
    case
        when tiers.tier_number = 1 then least({{ quantity }}, coalesce(tiers.up_to, {{ quantity }}))
        else
            greatest(
                least({{ quantity }}, coalesce(tiers.up_to, {{ quantity }})) - tiers.from_quantity,
                0
            )
    end
{%- endmacro %}
