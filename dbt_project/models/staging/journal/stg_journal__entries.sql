{%- set journal = journal_so_far() %}

{%- if journal %}

select
    record_key,
    delivery_id,
    row_number,
    occurred_at,
    tenant_id,
    dimension_id,
    value,
    metadata,
    corrects_key
from {{ journal }}
where not is_reversal

{%- else %}

select
    null::uuid as record_key,
    null::integer as delivery_id,
    null::integer as row_number,
    null::timestamptz as occurred_at,
    null::text as tenant_id,
    null::text as dimension_id,
    null::numeric as value,
    null::json as metadata,
    null::uuid as corrects_key
where false

{%- endif %}
