{#-
    A lateral relation with a row per UTC day that the interval [starts_at, ends_at) touches, and the
    microseconds of the interval that lie in it. An empty interval lies in the day of its start.
-#}
{% macro days_touched(starts_at, ends_at) -%}
    (
        select
            day_start::date as touched_date,
            extract(
                epoch from
                greatest(
                    least(day_start + interval '1 day', {{ ends_at }} at time zone 'UTC')
                    - greatest(day_start, {{ starts_at }} at time zone 'UTC'),
                    interval '1 microsecond'
                )
            ) * 1000000 as touched_microseconds
        from generate_series(
            date_trunc('day', {{ starts_at }} at time zone 'UTC'),
            greatest(
                {{ starts_at }} at time zone 'UTC',
                {{ ends_at }} at time zone 'UTC' - interval '1 microsecond'
            ),
            interval '1 day'
        ) as days (day_start)
    )
{%- endmacro %}
