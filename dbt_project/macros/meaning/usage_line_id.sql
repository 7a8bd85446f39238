{#- The line of a charge's part. Part 0 are seats in advance: they are a fee. -#}
{% macro usage_line_id(part) -%}
    {{ part }}.invoice_id
    || case when {{ part }}.part_number = 0 then '/fee/' else '/usage/' end
    || {{ part }}.charge_id || '/' || {{ part }}.part_number
{%- endmacro %}
