{#-
    An hour of the months in which there is usage (`months`, a relation of their first days), another one for
    each `number`. A prime number of steps visits all of them, in an order that has nothing to do with time. A
    single record of 1970 adds a month to them, and not half a century.
-#}
{% macro sampled_hour(months, number) -%}
    (
        select
            usage_month::timestamp at time zone 'UTC'
            + ({{ number }} * 7919 % 744) * interval '1 hour'
        from (
            select
                usage_month,
                row_number() over (order by usage_month) - 1 as place,
                count(*) over () as month_count
            from (select distinct usage_month from {{ months }}) as used
        ) as placed
        where place = ({{ number }} * 7919 / 744) % month_count
    )
{%- endmacro %}


{#- Which of 7 slices of the tenants a build looks at: another one when every hour has had its turn. -#}
{% macro sampled_slice(months, number) -%}
    (
        select {{ number }} / (744 * greatest(count(distinct usage_month), 1)) % 7
        from {{ months }}
    )
{%- endmacro %}


{#- The slice that a tenant belongs to. -#}
{% macro slice_of(tenant_id) -%}
    strpos('0123456789abcdef', substr(md5({{ tenant_id }}), 1, 1)) % 7
{%- endmacro %}
