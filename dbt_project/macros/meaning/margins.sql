{#-
    Margins of a relation with revenue, variable_cost, fixed_cost and is_comparable; null where the
    amounts are in different currencies.
-#}
{% macro contribution_margin(relation) -%}
    case
        when {{ relation }}.is_comparable
            then {{ relation }}.revenue - {{ relation }}.variable_cost
    end
{%- endmacro %}


{% macro gross_margin(relation) -%}
    case
        when {{ relation }}.is_comparable
            then {{ relation }}.revenue - {{ relation }}.variable_cost - {{ relation }}.fixed_cost
    end
{%- endmacro %}
