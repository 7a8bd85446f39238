{#-
    The quotient to `scale` digits, rounded half away from zero. Postgres alone would keep about 16
    significant digits of a numeric division, which is too few for an exact amount. A quantity times
    an amount has 21 decimals, and none of them is lost before the division.
-#}
{% macro divide(numerator, denominator, scale=12) -%}
    round(({{ numerator }})::numeric(76, {{ scale + 9 }}) / ({{ denominator }}), {{ scale }})
{%- endmacro %}
