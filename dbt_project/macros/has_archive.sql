{#-
    Whether a part of the journal is archived. Asked before the SQL is written, so that a journal that
    is all here pays nothing for what an archive would need.
-#}
{% macro has_archive() -%}
    {%- if not execute -%}
        {{ return(false) }}
    {%- endif -%}
    {{ return(run_query('select exists (select 1 from ops.archived_months)').rows[0][0]) }}
{%- endmacro %}


{#- Whether a UTC month, given by its first day, is archived. -#}
{% macro is_archived(usage_month) -%}
    {%- if has_archive() -%}
        {{ usage_month }} in (select archived_months.usage_month from ops.archived_months)
    {%- else -%}
        false
    {%- endif -%}
{%- endmacro %}
