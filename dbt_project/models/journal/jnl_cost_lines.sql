with recursive

deliveries as (

    select
        delivery_id,
        source,
        object,
        version,
        replays_delivery_id,
        row_number() over (
            partition by source, object
            order by
                case when replays_delivery_id is null then 0 else 1 end,
                delivery_id desc
        ) as recency
    from {{ source('raw', 'deliveries') }}
    where kind = 'cost'

),

cost_lines as (

    select
        delivery_id,
        row_number,
        source,
        charge_period_start,
        charge_period_end,
        billing_period_start,
        billing_period_end,
        charge_category,
        charge_class,
        charge_description,
        provider_name,
        billing_account_id,
        sub_account_id,
        service_name,
        service_category,
        region_id,
        resource_id,
        sku_id,
        billed_cost,
        effective_cost,
        list_cost,
        contracted_cost,
        billing_currency,
        consumed_quantity,
        consumed_unit,
        tags,
        is_estimated
    from {{ ref('stg_raw__cost_lines') }}

),

-- The latest delivery of an object replaces the earlier ones, even when it holds no line at all.
-- What was read again out of its quarantine belongs to it.
current_deliveries as (

    select
        delivery_id,
        source,
        object,
        version
    from deliveries
    where
        recency = 1
        and replays_delivery_id is null

    union all

    select
        deliveries.delivery_id,
        deliveries.source,
        deliveries.object,
        deliveries.version
    from current_deliveries
    inner join deliveries
        on current_deliveries.delivery_id = deliveries.replays_delivery_id

),

current_lines as (

    select
        {{ key_of([
            'current_deliveries.source',
            'current_deliveries.object',
            'current_deliveries.version',
            'cost_lines.row_number',
        ]) }} as cost_line_id,
        cost_lines.delivery_id,
        cost_lines.row_number,
        cost_lines.source,
        cost_lines.charge_period_start,
        cost_lines.charge_period_end,
        cost_lines.billing_period_start,
        cost_lines.billing_period_end,
        cost_lines.charge_category,
        cost_lines.charge_class,
        cost_lines.charge_description,
        cost_lines.provider_name,
        cost_lines.billing_account_id,
        cost_lines.sub_account_id,
        cost_lines.service_name,
        cost_lines.service_category,
        cost_lines.region_id,
        cost_lines.resource_id,
        cost_lines.sku_id,
        cost_lines.billed_cost,
        cost_lines.effective_cost,
        cost_lines.list_cost,
        cost_lines.contracted_cost,
        cost_lines.billing_currency,
        cost_lines.consumed_quantity,
        cost_lines.consumed_unit,
        cost_lines.tags,
        cost_lines.is_estimated
    from cost_lines
    inner join current_deliveries
        on cost_lines.delivery_id = current_deliveries.delivery_id

)

select
    current_lines.cost_line_id::text as cost_line_id,
    current_lines.delivery_id::bigint as delivery_id,
    current_lines.row_number::bigint as row_number,
    current_lines.source::text as source,
    current_lines.charge_period_start::timestamptz as charge_period_start,
    current_lines.charge_period_end::timestamptz as charge_period_end,
    current_lines.billing_period_start::timestamptz as billing_period_start,
    current_lines.billing_period_end::timestamptz as billing_period_end,
    current_lines.charge_category::text as charge_category,
    current_lines.charge_class::text as charge_class,
    current_lines.charge_description::text as charge_description,
    current_lines.provider_name::text as provider_name,
    current_lines.billing_account_id::text as billing_account_id,
    current_lines.sub_account_id::text as sub_account_id,
    current_lines.service_name::text as service_name,
    current_lines.service_category::text as service_category,
    current_lines.region_id::text as region_id,
    current_lines.resource_id::text as resource_id,
    current_lines.sku_id::text as sku_id,
    current_lines.billed_cost::numeric(38, 12) as billed_cost,
    current_lines.effective_cost::numeric(38, 12) as effective_cost,
    current_lines.list_cost::numeric(38, 12) as list_cost,
    current_lines.contracted_cost::numeric(38, 12) as contracted_cost,
    current_lines.billing_currency::text as billing_currency,
    current_lines.consumed_quantity::numeric(38, 15) as consumed_quantity,
    current_lines.consumed_unit::text as consumed_unit,
    current_lines.tags::jsonb as tags,
    current_lines.is_estimated::boolean as is_estimated
from current_lines
