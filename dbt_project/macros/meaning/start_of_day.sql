{#-
    The instant at which a calendar date begins in a time zone. Where clocks are put back at midnight,
    as in Havana and on the Azores, there are two midnights an hour apart, of which Postgres takes the
    second; the day begins with the first.
-#}
{% macro start_of_day(day, timezone) -%}
    (
        (({{ day }})::timestamp at time zone {{ timezone }})
        - case
            when
                (({{ day }})::timestamp at time zone {{ timezone }} - interval '1 hour')
                at time zone {{ timezone }} = ({{ day }})::timestamp
                then interval '1 hour'
            else interval '0 hours'
        end
    )
{%- endmacro %}
