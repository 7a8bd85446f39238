{#- The answer that changes when rollups by metadata keys mean something else; `keys` is a query. -#}
{% macro keys_definition(keys) -%}
    select md5(string_agg(keys.named, ',' order by keys.named))
    from (
        select distinct found.dimension_id || chr(31) || found.metadata_key as named
        from ({{ keys }}) as found
    ) as keys
{%- endmacro %}


{#- Whether `keys`, with their versions, have some that archived months were never asked for. -#}
{% macro are_keys_new(keys) -%}
    select exists (
        select 1
        from (
            select
                found.dimension_id,
                min(versions.accepted_at) as first_accepted_at
            from ({{ keys }}) as found
            inner join {{ catalog_schema() }}.versions
                on found.catalog_version = versions.catalog_version
            group by found.dimension_id, found.metadata_key
        ) as keys
        inner join journal.jnl_control_totals as totals
            on keys.dimension_id = totals.dimension_id
        inner join ops.archived_months
            on totals.usage_month = archived_months.usage_month
        inner join ops.archives
            on archived_months.archive_id = archives.archive_id
        where keys.first_accepted_at > archives.archived_at
    )
{%- endmacro %}


{#- The keys that charges group usage by. -#}
{% macro grouping_keys() -%}
    select catalog_version, dimension_id, metadata_key from {{ catalog_schema() }}.dimension_keys
{%- endmacro %}


{#- The keys that dimensions count distinct values of. -#}
{% macro distinct_keys() -%}
    select catalog_version, dimension_id, distinct_on as metadata_key
    from {{ catalog_schema() }}.dimensions
    where distinct_on is not null
{%- endmacro %}


{#- A key to count by is told from the same key to group by. -#}
{% macro counted_keys() -%}
    select catalog_version, dimension_id, chr(30) || distinct_on as metadata_key
    from {{ catalog_schema() }}.dimensions
    where distinct_on is not null
    union all
    {{ grouping_keys() }}
    where dimension_id in (
        select dimension_id from {{ catalog_schema() }}.dimensions where distinct_on is not null
    )
{%- endmacro %}


{#- The dimensions that need moments rather than cells, and how fine these are. -#}
{% macro moment_keys() -%}
    select
        catalog_version,
        dimension_id,
        chr(29) || case aggregation when 'percentile' then 'bucket' else 'instant' end
            as metadata_key
    from {{ catalog_schema() }}.dimensions
    where aggregation in ('time_weighted', 'percentile')
    union all
    {{ grouping_keys() }}
    where dimension_id in (
        select dimension_id
        from {{ catalog_schema() }}.dimensions
        where aggregation in ('time_weighted', 'percentile')
    )
{%- endmacro %}
