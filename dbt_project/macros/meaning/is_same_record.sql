{#-
    Whether two records with the same id say the same. Numbers are compared as numbers and metadata
    as JSON, so that a repetition written in other words (1.0, another order of keys) is one.
-#}
{% macro is_same_record(one, other) -%}
    (
        {{ one }}.occurred_at = {{ other }}.occurred_at
        and {{ one }}.tenant_id = {{ other }}.tenant_id
        and {{ one }}.dimension_id = {{ other }}.dimension_id
        and {{ one }}.value = {{ other }}.value
        and {{ one }}.corrects_key is not distinct from {{ other }}.corrects_key
        and {{ one }}.metadata::jsonb is not distinct from {{ other }}.metadata::jsonb
    )
{%- endmacro %}
