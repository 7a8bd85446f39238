{#-
    The value that comes last by instant, within a group; at the same instant the one with the highest
    key. As the maximum of a text that sorts like them it is found without sorting the group: the
    instant's bytes (those before 2000 are negative, hence the sign in front), then the key.
-#}
{% macro latest_by(value, instant, condition, key="''") -%}
    substr(
        max(
            (
                case when {{ instant }} < '2000-01-01 00:00:00+00'::timestamptz then '0' else '1' end
                || encode(timestamptz_send({{ instant }}), 'hex')
                || rpad({{ key }}::text, 36)
                || {{ value }}::text
            ) collate "C"
        ) filter (where {{ condition }}),
        54
    )::numeric(38, 9)
{%- endmacro %}
