with

parameters as (

    select as_of
    from {{ source('ops', 'parameters') }}

),

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        price_keys,
        is_closed,
        period_start_at,
        has_deltas,
        carry_over
    from {{ ref('int_metered_parts') }}
    where aggregation = 'time_weighted'

),

moments as (

    select
        tenant_id,
        dimension_id,
        usage_group,
        started_at,
        quantity_sum,
        quantity_last
    from {{ ref('int_usage_moments') }}
    where
        grain = 'instant'
        -- Where all records of an instant were taken back, it says nothing.
        and last_recorded_at is not null

),

spans as (

    select
        tenant_id,
        dimension_id,
        usage_filter,
        span_start_at,
        span_end_at,
        invoice_id,
        charge_id,
        part_number
    from {{ ref('int_metered_spans') }}
    where status = 'rated'

),

-- A closed period has gone by, whenever it is rated again.
weighted_spans as (

    select
        spans.invoice_id,
        spans.charge_id,
        spans.part_number,
        spans.tenant_id,
        spans.dimension_id,
        spans.usage_filter,
        spans.span_start_at,
        case
            when parts.is_closed then spans.span_end_at
            else least(spans.span_end_at, parameters.as_of)
        end as held_until_at,
        parts.has_deltas,
        parts.price_keys,
        case when not parts.carry_over then parts.period_start_at end as begins_at
    from parts
    cross join parameters
    inner join spans
        on
            parts.invoice_id = spans.invoice_id
            and parts.charge_id = spans.charge_id
            and parts.part_number = spans.part_number

),

-- What a charge tells apart, by its filter and its price. Keys of other charges and other versions
-- of the catalog are none of it: they must not cut a level in two.
views as (

    select distinct
        tenant_id,
        dimension_id,
        usage_filter,
        price_keys
    from weighted_spans

),

seen as (

    select
        views.tenant_id,
        views.dimension_id,
        views.usage_filter,
        views.price_keys,
        {{ group_by_filter_and_keys(
            'moments.usage_group', 'views.usage_filter', 'views.price_keys'
        ) }} as seen_group,
        moments.started_at,
        sum(moments.quantity_sum) as quantity_sum,
        max(moments.quantity_last) as quantity_last
    from views
    inner join moments
        on
            views.tenant_id = moments.tenant_id
            and views.dimension_id = moments.dimension_id
            and {{ meets_filter('moments.usage_group', 'views.usage_filter') }}
    group by
        views.tenant_id,
        views.dimension_id,
        views.usage_filter,
        views.price_keys,
        seen_group,
        moments.started_at

),

-- A level holds until the next record of its series.
levels as (

    select
        seen.*,
        sum(seen.quantity_sum) over series as level_by_deltas,
        lead(seen.started_at, 1, 'infinity'::timestamptz) over series as next_at
    from seen
    window series as (
        partition by
            seen.tenant_id,
            seen.dimension_id,
            seen.usage_filter,
            seen.price_keys,
            seen.seen_group
        order by seen.started_at
    )

),

-- Unless it is carried over, the level of a period begins at zero.
held as (

    select
        weighted_spans.invoice_id,
        weighted_spans.charge_id,
        weighted_spans.part_number,
        {{ group_by_keys('levels.seen_group', 'levels.price_keys') }} as pricing_group,
        case
            when weighted_spans.has_deltas then levels.level_by_deltas
            else levels.quantity_last
        end as level,
        extract(
            epoch from least(levels.next_at, weighted_spans.held_until_at)
            - greatest(levels.started_at, weighted_spans.span_start_at)
        ) as seconds
    from weighted_spans
    inner join levels
        on
            weighted_spans.tenant_id = levels.tenant_id
            and weighted_spans.dimension_id = levels.dimension_id
            and weighted_spans.usage_filter is not distinct from levels.usage_filter
            and weighted_spans.price_keys = levels.price_keys
            and weighted_spans.span_start_at < levels.next_at
            and weighted_spans.held_until_at > levels.started_at
            -- A part that has not begun holds nothing yet.
            and weighted_spans.held_until_at > weighted_spans.span_start_at
            and (
                weighted_spans.begins_at is null
                or weighted_spans.begins_at <= levels.started_at
            )

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    pricing_group::jsonb as pricing_group,
    {{ divide('sum(level * seconds)', '3600', 18) }}::numeric(76, 18) as quantity
from held
group by invoice_id, charge_id, part_number, pricing_group
