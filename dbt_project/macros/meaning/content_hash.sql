{#- The hash of what a record says: the same for two records where `is_same_record` holds, else not. -#}
{% macro content_hash(record) -%}
    ops.content_hash(
        {{ record }}.occurred_at,
        {{ record }}.tenant_id,
        {{ record }}.dimension_id,
        {{ record }}.value,
        {{ record }}.metadata,
        {{ record }}.corrects_key
    )
{%- endmacro %}
