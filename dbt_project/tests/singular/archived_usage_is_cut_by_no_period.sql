-- Where a period begins or ends within a day, distinct values are counted from the day's entries:
-- they stayed when its month was archived. Where a period has been moved since, all are needed.
-- depends_on: {{ ref('int_usage_boundaries') }}
-- depends_on: {{ ref('fct_usage_daily') }}
-- depends_on: {{ ref('jnl_usage_entries') }}
{% if has_archive() %}
with

boundaries as (

    select
        tenant_id,
        dimension_id,
        boundary_at
    from {{ ref('int_usage_boundaries') }}

),

counted_dimensions as (

    select distinct dimension_id
    from {{ source('catalog', 'dimensions') }}
    where distinct_on is not null

),

cut_days as (

    select distinct
        boundaries.tenant_id,
        boundaries.dimension_id,
        {{ utc_day('boundaries.boundary_at') }} as started_at
    from boundaries
    inner join counted_dimensions
        on boundaries.dimension_id = counted_dimensions.dimension_id
    where
        boundaries.boundary_at <> {{ utc_day('boundaries.boundary_at') }}
        and not {{ is_in_journal('boundaries.boundary_at') }}

),

days as (

    select
        tenant_id,
        dimension_id,
        usage_date::timestamp at time zone 'UTC' as started_at,
        record_count
    from {{ ref('fct_usage_daily') }}

),

entries as (

    select
        tenant_id,
        dimension_id,
        {{ utc_day('occurred_at') }} as started_at,
        sum(sign) as record_count
    from {{ ref('jnl_usage_entries') }}
    where {{ utc_day('occurred_at') }} in (select cut_days.started_at from cut_days)
    group by tenant_id, dimension_id, {{ utc_day('occurred_at') }}

)

select
    days.tenant_id,
    days.dimension_id,
    days.started_at,
    days.record_count,
    entries.record_count as record_count_in_journal
from cut_days
inner join days
    on
        cut_days.tenant_id = days.tenant_id
        and cut_days.dimension_id = days.dimension_id
        and cut_days.started_at = days.started_at
left join entries
    on
        cut_days.tenant_id = entries.tenant_id
        and cut_days.dimension_id = entries.dimension_id
        and cut_days.started_at = entries.started_at
where days.record_count is distinct from coalesce(entries.record_count, 0)
{% else %}
select 1 as nothing_is_archived
where false
{% endif %}
