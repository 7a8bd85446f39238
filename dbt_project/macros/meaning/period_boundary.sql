{#- How long the billing periods of an interval are: in months, or in days; the other one is null. -#}
{% macro period_length(interval) -%}
    case {{ interval }} when 'month' then 1 when 'quarter' then 3 when 'year' then 12 end
        as months_per_period,
    case {{ interval }} when 'day' then 1 when 'week' then 7 end as days_per_period
{%- endmacro %}


{#-
    The day on which a full billing period begins, so many of them after billing does: of a row with
    `billing_start_date`, `anchor_day`, and one of `days_per_period` and `months_per_period`. The anchor day is
    the last one of a shorter month.
-#}
{% macro period_boundary(row, number) -%}
    {%- set month -%}
        (
            date_trunc('month', {{ row }}.billing_start_date::timestamp)
            + make_interval(months => ({{ number }} * {{ row }}.months_per_period)::integer)
        )::date
    {%- endset -%}
    coalesce(
        {{ row }}.billing_start_date + {{ number }} * {{ row }}.days_per_period,
        {{ month }} + least({{ row }}.anchor_day, {{ days_in_month(month) }}) - 1
    )
{%- endmacro %}
