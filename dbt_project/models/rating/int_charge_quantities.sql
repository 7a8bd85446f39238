with

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        catalog_version,
        dimension_id,
        included_quantity
    from {{ ref('int_charge_parts') }}
    where dimension_id is not null

),

dimensions as (

    select
        catalog_version,
        dimension_id,
        aggregation,
        convert_multiply,
        convert_divide,
        rounding_decimals,
        rounding_mode
    from {{ source('catalog', 'dimensions') }}

),

pieces as (

    select
        invoice_id,
        charge_id,
        part_number,
        tenant_id,
        quantity_sum,
        record_count,
        quantity_max,
        quantity_last,
        last_recorded_at
    from {{ ref('int_usage_pieces') }}
    where status = 'rated'

),

distinct_counts as (

    select
        invoice_id,
        charge_id,
        part_number,
        distinct_count
    from {{ ref('int_distinct_counts') }}

),

-- A level (max, latest) belongs to a tenant: a customer's level is the sum over its tenants.
tenant_quantities as (

    select
        invoice_id,
        charge_id,
        part_number,
        tenant_id,
        sum(quantity_sum) as quantity_sum,
        sum(record_count) as record_count,
        max(quantity_max) as quantity_max,
        {{ latest_by('quantity_last', 'last_recorded_at', 'last_recorded_at is not null') }}
            as quantity_last
    from pieces
    group by invoice_id, charge_id, part_number, tenant_id

),

part_quantities as (

    select
        invoice_id,
        charge_id,
        part_number,
        sum(quantity_sum) as quantity_sum,
        sum(record_count) as record_count,
        sum(quantity_max) as quantity_max,
        sum(quantity_last) as quantity_last
    from tenant_quantities
    group by invoice_id, charge_id, part_number

),

aggregated as (

    select
        parts.invoice_id,
        parts.charge_id,
        parts.part_number,
        parts.included_quantity,
        dimensions.aggregation,
        dimensions.aggregation in ('max', 'latest', 'count_distinct') as is_level,
        dimensions.convert_multiply,
        dimensions.convert_divide,
        dimensions.rounding_decimals,
        dimensions.rounding_mode,
        coalesce(part_quantities.record_count, 0) as record_count,
        coalesce(
            case dimensions.aggregation
                when 'sum' then part_quantities.quantity_sum
                when 'count' then part_quantities.record_count
                when 'max' then part_quantities.quantity_max
                when 'latest' then part_quantities.quantity_last
                when 'count_distinct' then distinct_counts.distinct_count
            end,
            0
        ) as aggregate_quantity
    from parts
    inner join dimensions
        on
            parts.catalog_version = dimensions.catalog_version
            and parts.dimension_id = dimensions.dimension_id
    left join part_quantities
        on
            parts.invoice_id = part_quantities.invoice_id
            and parts.charge_id = part_quantities.charge_id
            and parts.part_number = part_quantities.part_number
    left join distinct_counts
        on
            parts.invoice_id = distinct_counts.invoice_id
            and parts.charge_id = distinct_counts.charge_id
            and parts.part_number = distinct_counts.part_number

),

converted as (

    select
        aggregated.*,
        {{ divide(
            'aggregated.aggregate_quantity * aggregated.convert_multiply',
            'aggregated.convert_divide',
            18
        ) }} as converted_quantity
    from aggregated

),

rounded as (

    select
        converted.*,
        round(
            {{ round_by_mode(
                'converted.converted_quantity',
                'converted.rounding_decimals',
                'converted.rounding_mode'
            ) }},
            9
        ) as quantity
    from converted

),

-- Included units belong to the period: its parts use them up in order of time. A level is not used
-- up: what is included of it is included in every part.
running as (

    select
        rounded.*,
        case when rounded.is_level then rounded.part_number end as level_part,
        sum(rounded.quantity) over (
            partition by
                rounded.invoice_id,
                rounded.charge_id,
                case when rounded.is_level then rounded.part_number end
            order by rounded.part_number
            rows between unbounded preceding and current row
        ) as quantity_until
    from rounded

),

beyond_included as (

    select
        running.*,
        case
            when running.quantity_until > running.included_quantity
                then running.quantity_until - running.included_quantity
            when running.quantity_until < 0 then running.quantity_until
            else 0
        end as billable_until
    from running

),

billable as (

    select
        beyond_included.*,
        beyond_included.billable_until
        - lag(beyond_included.billable_until, 1, 0::numeric) over (
            partition by
                beyond_included.invoice_id,
                beyond_included.charge_id,
                beyond_included.level_part
            order by beyond_included.part_number
        ) as billable_quantity
    from beyond_included

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    aggregation::text as aggregation,
    is_level::boolean as is_level,
    record_count::bigint as record_count,
    aggregate_quantity::numeric(38, 9) as aggregate_quantity,
    quantity::numeric(38, 9) as quantity,
    included_quantity::numeric(38, 9) as included_quantity,
    billable_quantity::numeric(38, 9) as billable_quantity
from billable
