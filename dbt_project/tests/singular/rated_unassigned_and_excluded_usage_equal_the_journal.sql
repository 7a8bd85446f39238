{{ config(sql_header=hash_joins() ~ ';') }}
-- Per tenant and dimension, quantities and records: with reversals, both may be negative.
with

-- What the monthly rollup says, which other tests hold against the journal itself.
journal as (

    select
        tenant_id,
        dimension_id,
        sum(quantity_sum) as quantity,
        sum(record_count) as record_count
    from {{ ref('fct_usage_monthly') }}
    group by tenant_id, dimension_id

),

rated as (

    select
        tenant_id,
        dimension_id,
        sum(quantity_sum) as quantity,
        sum(record_count) as record_count
    from {{ ref('int_usage_pieces') }}
    group by tenant_id, dimension_id

)

select
    coalesce(journal.tenant_id, rated.tenant_id) as tenant_id,
    coalesce(journal.dimension_id, rated.dimension_id) as dimension_id,
    journal.quantity as journal_quantity,
    rated.quantity as rated_quantity,
    journal.record_count as journal_record_count,
    rated.record_count as rated_record_count
from journal
full join rated
    on
        journal.tenant_id = rated.tenant_id
        and journal.dimension_id = rated.dimension_id
where
    journal.quantity is distinct from rated.quantity
    or journal.record_count is distinct from rated.record_count
