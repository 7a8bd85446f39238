with

records as (

    select
        landed_on,
        delivery_id,
        row_number,
        record_key,
        record_id,
        occurred_at,
        tenant_id,
        dimension_id,
        value,
        metadata,
        corrects
    from {{ source('raw', 'usage_records') }}

),

claimed_deliveries as (

    select
        delivery_id,
        source,
        landed_on
    from {{ source('ops', 'claimed_deliveries') }}

),

-- Known before the first row is read: days and ranges without a claimed delivery are not opened.
extent as (

    select
        min(landed_on) as first_day,
        max(landed_on) as last_day,
        min(delivery_id) as first_delivery_id,
        max(delivery_id) as last_delivery_id
    from claimed_deliveries

)

select
    records.delivery_id,
    records.row_number,
    records.record_key,
    records.record_id,
    records.occurred_at,
    records.tenant_id,
    records.dimension_id,
    records.value,
    records.metadata,
    case
        when records.corrects is not null
            then {{ record_key('claimed_deliveries.source', 'records.corrects') }}
    end as corrects_key,
    records.corrects is not null as is_correction
from records
inner join claimed_deliveries
    on
        records.delivery_id = claimed_deliveries.delivery_id
        and records.landed_on = claimed_deliveries.landed_on
where
    records.landed_on >= (select extent.first_day from extent)
    and records.landed_on <= (select extent.last_day from extent)
    and records.delivery_id >= (select extent.first_delivery_id from extent)
    and records.delivery_id <= (select extent.last_delivery_id from extent)
