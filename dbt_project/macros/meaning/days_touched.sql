{#-
    The UTC days that the interval [starts_at, ends_at) touches, as a relation of their first instants
    without zone. An empty interval lies in the day of its start. Of an interval longer than the
    longest commitments clouds sell, three years, the first 1,100 days stand for the whole.
-#}
{% macro days_touched(starts_at, ends_at) -%}
    generate_series(
        date_trunc('day', {{ starts_at }} at time zone 'UTC'),
        greatest(
            {{ starts_at }} at time zone 'UTC',
            least(
                {{ ends_at }} at time zone 'UTC' - interval '1 microsecond',
                {{ starts_at }} at time zone 'UTC' + interval '1099 days'
            )
        ),
        interval '1 day'
    )
{%- endmacro %}


{#- How much of the interval lies in one of these days; at least 1, so that it can be a weight. -#}
{% macro microseconds_touched(day_start, starts_at, ends_at) -%}
    1000000 * extract(
        epoch from greatest(
            least({{ day_start }} + interval '1 day', {{ ends_at }} at time zone 'UTC')
            - greatest({{ day_start }}, {{ starts_at }} at time zone 'UTC'),
            interval '1 microsecond'
        )
    )
{%- endmacro %}
