-- Deduplication as most projects write it: everything that was ever delivered, ranked at every run.
with ranked as (
    select
        *,
        row_number() over (partition by record_key order by delivery_id, row_number) as delivery_rank
    from raw.usage_records
)

select
    occurred_at, record_key, delivery_id, row_number, tenant_id, dimension_id, value, record_id,
    metadata, corrects
from ranked
where delivery_rank = 1
