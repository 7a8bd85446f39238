with

records as (

    select
        delivery_id,
        row_number,
        record_key,
        source,
        record_id,
        occurred_at,
        tenant_id,
        dimension_id,
        value,
        metadata,
        corrects_key,
        content_hash
    from {{ source('raw', 'usage_records') }}

),

claimed_deliveries as (

    select delivery_id
    from {{ source('ops', 'claimed_deliveries') }}

)

select
    records.delivery_id,
    records.row_number,
    records.record_key,
    records.source,
    records.record_id,
    records.occurred_at,
    records.tenant_id,
    records.dimension_id,
    records.value,
    records.metadata,
    records.corrects_key,
    records.content_hash
from records
inner join claimed_deliveries
    on records.delivery_id = claimed_deliveries.delivery_id
