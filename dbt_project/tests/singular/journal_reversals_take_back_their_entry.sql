-- Every reversal takes back exactly what its entry says, and exists only where a correction stands.
select
    reversals.record_key,
    reversals.value,
    entries.value as entry_value
from {{ ref('jnl_usage_entries') }} as reversals
left join {{ ref('jnl_usage_entries') }} as entries
    on
        reversals.record_key = entries.record_key
        and not entries.is_reversal
left join {{ ref('jnl_usage_entries') }} as corrections
    on
        reversals.record_key = corrections.corrects_key
        and not corrections.is_reversal
where
    reversals.is_reversal
    and (
        entries.record_key is null
        or corrections.record_key is null
        or entries.value + reversals.value <> 0
        or entries.sign + reversals.sign <> 0
        or entries.occurred_at <> reversals.occurred_at
        or entries.tenant_id <> reversals.tenant_id
        or entries.dimension_id <> reversals.dimension_id
    )
