{#-
    What the lines of a back-test come to under the old catalog and the new one, by some columns. There
    is no change across currencies: `of` is the column of which each may have one currency only.
-#}
{% macro old_and_new(by, of=none) -%}
sums as (

    select
        {{ by | join(',\n        ') }},
        {%- for side in ('old', 'new') %}
        coalesce(sum(revenue) filter (where side = '{{ side }}'), 0) as revenue_{{ side }},
        coalesce(sum(revenue - variable_cost) filter (where side = '{{ side }}'), 0)
            as contribution_margin_{{ side }},
        coalesce(sum(revenue - variable_cost - fixed_cost) filter (where side = '{{ side }}'), 0)
            as gross_margin_{{ side }},
        {%- for amount in ('reporting_revenue', 'reporting_gross_margin') %}
        {{ reporting_sum(amount, side) }} as {{ amount }}_{{ side }},
        {%- endfor %}
        {%- endfor %}
        max(reporting_currency) as reporting_currency,
        bool_and(is_comparable) as has_margin,
        {{ 'count(*) over (partition by ' ~ of ~ ') = 1' if of else 'true' }} as has_change
    from lines
    group by {{ by | join(', ') }}

),

compared as (

    select
        {{ by | join(',\n        ') }},
        has_margin as is_comparable,
        revenue_old,
        revenue_new,
        case when has_change then revenue_new - revenue_old end as revenue_change,
        {%- for margin in ('contribution_margin', 'gross_margin') %}
        {%- for side in ('old', 'new') %}
        case when has_margin then {{ margin }}_{{ side }} end as {{ margin }}_{{ side }},
        {%- endfor %}
        case when has_margin and has_change then {{ margin }}_new - {{ margin }}_old end
            as {{ margin }}_change,
        {%- endfor %}
        {%- for amount in ('reporting_revenue', 'reporting_gross_margin') %}
        {{ amount }}_old,
        {{ amount }}_new,
        {{ amount }}_new - {{ amount }}_old as {{ amount }}_change,
        {%- endfor %}
        reporting_currency
    from sums

)
{%- endmacro %}


{#- The amounts of `old_and_new`, with their types. -#}
{% macro typed_old_and_new() -%}
    is_comparable::boolean as is_comparable,
    revenue_old::numeric(38, 12) as revenue_old,
    revenue_new::numeric(38, 12) as revenue_new,
    revenue_change::numeric(38, 12) as revenue_change,
    ({{ percent_of('revenue_change', 'revenue_old') }})::numeric(38, 4) as revenue_change_percent,
    {%- for amount in ('contribution_margin', 'gross_margin', 'reporting_revenue', 'reporting_gross_margin') %}
    {%- for side in ('old', 'new', 'change') %}
    {{ amount }}_{{ side }}::numeric(38, 12) as {{ amount }}_{{ side }},
    {%- endfor %}
    {%- endfor %}
    reporting_currency::text as reporting_currency
{%- endmacro %}


{#- A side's amount in the company's currency: null where any part of it has no rate, 0 of nothing. -#}
{% macro reporting_sum(amount, side) -%}
    case
            when coalesce(bool_and({{ amount }} is not null) filter (where side = '{{ side }}'), true)
                then coalesce(sum({{ amount }}) filter (where side = '{{ side }}'), 0)
        end
{%- endmacro %}
