with

pieces as (

    select
        tenant_id,
        dimension_id,
        reason,
        customer_id,
        usage_month,
        quantity_sum,
        record_count,
        quantity_min,
        quantity_max,
        quantity_last,
        last_recorded_at
    from {{ ref('int_usage_pieces') }}
    where status = 'unassigned'

),

dimensions as (

    select
        dimension_id,
        unit,
        aggregation,
        convert_multiply,
        convert_divide
    from {{ source('catalog', 'dimensions') }}
    where {{ is_current_version() }}

),

-- Hours add up for sums and counts; of levels, the highest and the last count.
months as (

    select
        tenant_id,
        dimension_id,
        reason,
        customer_id,
        usage_month,
        sum(quantity_sum) as quantity_sum,
        sum(record_count) as record_count,
        min(quantity_min) as quantity_min,
        max(quantity_max) as quantity_max,
        {{ latest_by('quantity_last', 'last_recorded_at', 'last_recorded_at is not null') }}
            as quantity_last
    from pieces
    group by tenant_id, dimension_id, reason, customer_id, usage_month

),

-- What the catalog does not know is summed, in the unit it was delivered in.
quantities as (

    select
        months.tenant_id,
        months.dimension_id,
        months.reason,
        months.customer_id,
        months.usage_month,
        months.record_count,
        dimensions.unit,
        case
            when dimensions.dimension_id is null then months.quantity_sum
            else {{ divide(
                quantity_by_aggregation('dimensions.aggregation', 'months')
                ~ ' * dimensions.convert_multiply',
                'dimensions.convert_divide',
                9
            ) }}
        end as quantity
    from months
    left join dimensions
        on months.dimension_id = dimensions.dimension_id

)

-- Usage that was taken back altogether is no usage.
select
    tenant_id::text as tenant_id,
    dimension_id::text as dimension_id,
    reason::text as reason,
    usage_month::date as usage_month,
    customer_id::text as customer_id,
    record_count::bigint as record_count,
    quantity::numeric(38, 9) as quantity,
    unit::text as unit
from quantities
where
    record_count <> 0
    or quantity <> 0
