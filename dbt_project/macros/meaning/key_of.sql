{#-
    A deterministic key of the given columns. A null counts as an empty text, and the separator is a
    character that does not occur in identifiers, so that ('a', 'bc') and ('ab', 'c') differ.
-#}
{% macro key_of(columns) -%}
    md5(
        {%- for column in columns %}
        coalesce({{ column }}::text, ''){{ " || chr(31) || " if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}
