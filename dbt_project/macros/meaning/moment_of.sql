{#- The moment that an instant belongs to, by grain: itself, or the five minutes in which it lies. -#}
{% macro moment_of(instant, grain) -%}
    case {{ grain }}
        when 'bucket'
            then date_bin('5 minutes', {{ instant }}, '2000-01-01 00:00:00+00'::timestamptz)
        else {{ instant }}
    end
{%- endmacro %}
