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
