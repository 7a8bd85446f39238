with

metered_parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        catalog_version,
        price_id,
        price_keys,
        bucket_then,
        aggregation,
        convert_multiply,
        convert_divide,
        rounding_decimals,
        rounding_mode
    from {{ ref('int_metered_parts') }}

),

rates as (

    select
        catalog_version,
        price_id,
        rate_number,
        match,
        rate
    from {{ source('catalog', 'price_rates') }}

),

pieces as (

    select
        invoice_id,
        charge_id,
        part_number,
        tenant_id,
        usage_group,
        {{ usage_values() }}
    from {{ ref('int_usage_pieces') }}
    where status = 'rated'

),

-- A level (max, latest, ...) belongs to a tenant: a customer's level is the sum over its tenants.
tenant_values as (

    select
        pieces.invoice_id,
        pieces.charge_id,
        pieces.part_number,
        pieces.tenant_id,
        {{ group_by_keys('pieces.usage_group', 'metered_parts.price_keys') }} as pricing_group,
        metered_parts.aggregation,
        {{ usage_values_of_cells() }}
    from pieces
    inner join metered_parts
        on
            pieces.invoice_id = metered_parts.invoice_id
            and pieces.charge_id = metered_parts.charge_id
            and pieces.part_number = metered_parts.part_number
    where metered_parts.bucket_then is distinct from 'price'
    group by
        pieces.invoice_id,
        pieces.charge_id,
        pieces.part_number,
        pieces.tenant_id,
        pricing_group,
        metered_parts.aggregation

),

group_values as (

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        sum(record_count) as record_count,
        sum({{ aggregate_of_values('aggregation') }}) as aggregate_quantity
    from tenant_values
    group by invoice_id, charge_id, part_number, pricing_group

),

-- What single records or buckets are needed for, and cells are not enough.
measured as (

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        null::bigint as record_count,
        distinct_count::numeric as aggregate_quantity
    from {{ ref('int_distinct_counts') }}

    union all

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        record_count,
        quantity as aggregate_quantity
    from {{ ref('int_bucket_quantities') }}

    union all

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        null as record_count,
        quantity as aggregate_quantity
    from {{ ref('int_carried_levels') }}

    union all

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        null as record_count,
        quantity as aggregate_quantity
    from {{ ref('int_weighted_quantities') }}

    union all

    select
        invoice_id,
        charge_id,
        part_number,
        pricing_group,
        null as record_count,
        quantity as aggregate_quantity
    from {{ ref('int_percentiles') }}

),

found as (

    select
        coalesce(group_values.invoice_id, measured.invoice_id) as invoice_id,
        coalesce(group_values.charge_id, measured.charge_id) as charge_id,
        coalesce(group_values.part_number, measured.part_number) as part_number,
        coalesce(group_values.pricing_group, measured.pricing_group) as pricing_group,
        coalesce(group_values.record_count, measured.record_count, 0) as record_count,
        coalesce(measured.aggregate_quantity, group_values.aggregate_quantity, 0)
            as aggregate_quantity
    from group_values
    full join measured
        on
            group_values.invoice_id = measured.invoice_id
            and group_values.charge_id = measured.charge_id
            and group_values.part_number = measured.part_number
            and group_values.pricing_group = measured.pricing_group

),

converted as (

    select
        metered_parts.*,
        coalesce(found.pricing_group, '{}'::jsonb) as pricing_group,
        coalesce(found.record_count, 0) as record_count,
        coalesce(found.aggregate_quantity, 0) as aggregate_quantity,
        {{ divide(
            'coalesce(found.aggregate_quantity, 0) * metered_parts.convert_multiply',
            'metered_parts.convert_divide',
            18
        ) }} as converted_quantity
    from metered_parts
    left join found
        on
            metered_parts.invoice_id = found.invoice_id
            and metered_parts.charge_id = found.charge_id
            and metered_parts.part_number = found.part_number
    -- A bucket without usage is none, and costs nothing.
    where
        found.invoice_id is not null
        or metered_parts.bucket_then is distinct from 'price'

),

rated as (

    select
        converted.*,
        {{ first_rate('rates', 'converted', 'converted.pricing_group') }} as rate
    from converted

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    pricing_group::jsonb as pricing_group,
    catalog_version::text as catalog_version,
    price_id::text as price_id,
    aggregation::text as aggregation,
    case
        when bucket_then is null then aggregation not in ('sum', 'count', 'time_weighted')
        else bucket_then in ('max', 'average')
    end::boolean as is_level,
    record_count::bigint as record_count,
    aggregate_quantity::numeric(38, 9) as aggregate_quantity,
    round(
        {{ round_by_mode('converted_quantity', 'rounding_decimals', 'rounding_mode') }},
        9
    )::numeric(38, 9) as quantity,
    rate::numeric(38, 12) as rate
from rated
