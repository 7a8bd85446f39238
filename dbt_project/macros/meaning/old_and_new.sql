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
        {%- endfor %}
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
            as {{ margin }}_change{{ ',' if not loop.last }}
        {%- endfor %}
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
    {%- for margin in ('contribution_margin', 'gross_margin') %}
    {%- for side in ('old', 'new', 'change') %}
    {{ margin }}_{{ side }}::numeric(38, 12) as {{ margin }}_{{ side }}{{ ',' if not (loop.last and margin == 'gross_margin') }}
    {%- endfor %}
    {%- endfor %}
{%- endmacro %}
