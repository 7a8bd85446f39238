{#- How a record counts: a correction to zero cancels, it stands for no record, not for one of value zero. -#}
{% macro entry_sign(record) -%}
    case when {{ record }}.corrects_key is not null and {{ record }}.value = 0 then 0 else 1 end
{%- endmacro %}
