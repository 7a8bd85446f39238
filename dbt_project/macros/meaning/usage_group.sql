{#- The keys that charges of any version name, by dimension, as a query. -#}
{% macro keys_by_dimension() -%}
    select
        dimension_id,
        array_agg(distinct metadata_key) as metadata_keys
    from {{ source('catalog', 'dimension_keys') }}
    group by dimension_id
{%- endmacro %}


{#-
    The group of a record: those of `keys` (an array, or null) that its metadata has, with their values
    as text. It is what filters, matches and breakdowns of charges see of a record.
-#}
{% macro usage_group(metadata, keys) -%}
    coalesce(
        (
            select jsonb_object_agg(asked.key, found.value)
            from unnest({{ keys }}) as asked (key)
            cross join lateral (select {{ json_text(metadata, 'asked.key') }} as value) as found
            where found.value is not null
        ),
        '{}'::jsonb
    )
{%- endmacro %}


{#- A group of which only `keys` (a list in jsonb, or null) count; most charges have no keys. -#}
{% macro group_by_keys(usage_group, keys) -%}
    case
        when {{ keys }} <> '[]' and {{ usage_group }} <> '{}'
            then coalesce(
                (
                    select jsonb_object_agg(known.key, known.value)
                    from jsonb_each({{ usage_group }}) as known
                    where jsonb_exists({{ keys }}, known.key)
                ),
                '{}'
            )
        else '{}'::jsonb
    end
{%- endmacro %}


{#- Whether a group meets a filter, {key: [texts]}: of each key it has one of the values. -#}
{% macro meets_filter(usage_group, usage_filter) -%}
    (
        {{ usage_filter }} is null
        or not exists (
            select 1
            from jsonb_each({{ usage_filter }}) as wanted
            where not coalesce(jsonb_exists(wanted.value, {{ usage_group }} ->> wanted.key), false)
        )
    )
{%- endmacro %}


{#- Whether two filters may both hold for one record: no key that both have excludes it. -#}
{% macro filters_may_meet(one, other) -%}
    (
        {{ one }} is null
        or {{ other }} is null
        or not exists (
            select 1
            from jsonb_each({{ one }}) as wanted
            inner join jsonb_each({{ other }}) as other_wanted
                on wanted.key = other_wanted.key
            where not exists (
                select 1
                from jsonb_array_elements_text(wanted.value) as texts (value)
                where jsonb_exists(other_wanted.value, texts.value)
            )
        )
    )
{%- endmacro %}


{#- A group of which only the keys of a filter, or null, and of a list of `keys` count. -#}
{% macro group_by_filter_and_keys(usage_group, usage_filter, keys) -%}
    coalesce(
        (
            select jsonb_object_agg(known.key, known.value)
            from jsonb_each({{ usage_group }}) as known
            where
                jsonb_exists({{ keys }}, known.key)
                or jsonb_exists({{ usage_filter }}, known.key)
        ),
        '{}'::jsonb
    )
{%- endmacro %}


{#- The first of `rates` whose match a group has; the last one, the default, matches all. -#}
{% macro first_rate(rates, price, usage_group) -%}
    (
        select {{ rates }}.rate
        from {{ rates }}
        where
            {{ rates }}.catalog_version = {{ price }}.catalog_version
            and {{ rates }}.price_id = {{ price }}.price_id
            and {{ usage_group }} @> {{ rates }}.match
        order by {{ rates }}.rate_number
        limit 1
    )
{%- endmacro %}
