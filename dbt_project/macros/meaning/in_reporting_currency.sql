{#-
    An amount in the company's currency, by the rate beside it; null without one. A payable amount is
    converted exactly.
-#}
{% macro in_reporting_currency(amount) -%}
    round({{ amount }} * currency_rates.rate, 12)::numeric(38, 12)
{%- endmacro %}


{#- Joins the rate of a relation's currency on a day, as `currency_rates`, where there is one. -#}
{% macro join_rate(relation, day) -%}
    left join {{ ref('int_currency_rates') }} as currency_rates
        on
            {{ relation }}.currency = currency_rates.currency
            and {{ day }} >= currency_rates.valid_from
            and coalesce({{ day }} < currency_rates.valid_to, true)
{%- endmacro %}


{#- Revenue, costs and margins of a relation in the company's currency, and that currency. -#}
{% macro reporting_margins(relation) -%}
    {%- set revenue = in_reporting_currency(relation ~ ".revenue") -%}
    {%- set variable_cost = in_reporting_currency(relation ~ ".variable_cost") -%}
    {%- set fixed_cost = in_reporting_currency(relation ~ ".fixed_cost") -%}
    {{ revenue }} as reporting_revenue,
    {{ variable_cost }} as reporting_variable_cost,
    {{ fixed_cost }} as reporting_fixed_cost,
    ({{ revenue }} - {{ variable_cost }})::numeric(38, 12) as reporting_contribution_margin,
    ({{ revenue }} - {{ variable_cost }} - {{ fixed_cost }})::numeric(38, 12)
        as reporting_gross_margin,
    currency_rates.reporting_currency::text as reporting_currency
{%- endmacro %}


{#- The last day of the month that begins on a day. -#}
{% macro last_day_of_month(first_day) -%}
    ({{ first_day }} + interval '1 month' - interval '1 day')::date
{%- endmacro %}
