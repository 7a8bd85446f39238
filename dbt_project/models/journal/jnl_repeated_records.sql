{{ config(pre_hook=['{{ claim_deliveries() }}', '{{ hash_joins() }}']) }}

{%- set is_archived = has_archive() %}
{%- set refused = earlier_refusals() %}

with

claimed_records as {{ inlined() }} (

    select
        delivery_id,
        row_number,
        record_key,
        occurred_at,
        tenant_id,
        dimension_id,
        value,
        metadata,
        corrects_key,
        is_correction
    from {{ ref('stg_raw__unjournaled_records') }}

),

entries as {{ inlined() }} (

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
    from {{ ref('stg_journal__entries') }}
    where not is_reversal

),

{% if is_archived %}
-- What is archived, and what would change an archived month, never gets further than here.
archived_records as (

    select
        claimed_records.delivery_id,
        claimed_records.row_number,
        claimed_records.record_key,
        {{ archive_outcome('claimed_records') }} as outcome
    from claimed_records
    {{ look_up_archive('claimed_records') }}
    where {{ archive_outcome('claimed_records', is_same='true') }} is not null

),
{% endif %}

records as {{ inlined() }} (

    select claimed_records.*
    from claimed_records
    {% if is_archived %}
    left join archived_records
        on
            claimed_records.delivery_id = archived_records.delivery_id
            and claimed_records.row_number = archived_records.row_number
    where archived_records.delivery_id is null
    {% endif %}

),

-- In the order of keys, since neighbours in an index are found together.
records_by_key as (

    select *
    from records
    order by record_key

),

-- The first delivery of an id stands, for ever: whatever comes later is a duplicate or a conflict.
-- An entry that a build has journaled and died after is no repetition of itself.
journaled_records as (

    select
        records_by_key.delivery_id,
        records_by_key.row_number,
        records_by_key.record_key,
        case
            when
                records_by_key.delivery_id = journaled.delivery_id
                and records_by_key.row_number = journaled.row_number
                then 'journaled'
            when {{ is_same_record('records_by_key', 'journaled') }} then 'duplicate'
            else 'conflicting_id'
        end as outcome,
        journaled.delivery_id as kept_delivery_id,
        journaled.row_number as kept_row_number
    from records_by_key
    {{ look_up('entries', 'journaled', 'kept.record_key = records_by_key.record_key') }}
    where journaled.record_key is not null

),

repeated_keys as (

    select record_key
    from records
    group by record_key
    having count(*) > 1

),

-- What this build finds more than once; of the first delivery, that it becomes the entry.
deliveries_of_new_keys as (

    select
        records.*,
        row_number() over (
            partition by records.record_key
            order by records.delivery_id, records.row_number
        ) as delivery_rank
    from records
    inner join repeated_keys
        on records.record_key = repeated_keys.record_key
    left join journaled_records
        on
            records.delivery_id = journaled_records.delivery_id
            and records.row_number = journaled_records.row_number
    where journaled_records.delivery_id is null

),

later_deliveries as (

    select
        later.delivery_id,
        later.row_number,
        later.record_key,
        case
            when {{ is_same_record('later', 'first_ones') }} then 'duplicate'
            else 'conflicting_id'
        end as outcome,
        first_ones.delivery_id as kept_delivery_id,
        first_ones.row_number as kept_row_number
    from deliveries_of_new_keys as later
    inner join deliveries_of_new_keys as first_ones
        on
            later.record_key = first_ones.record_key
            and first_ones.delivery_rank = 1
    where later.delivery_rank > 1

),

-- Corrections are few. What is said of them is found by key, and costs the other records nothing:
-- an engine that has built an empty hash table does not read the other side of its join.
first_corrections as (

    select
        records.record_key,
        records.corrects_key,
        row_number() over (
            partition by records.corrects_key
            order by records.delivery_id, records.row_number
        ) as correction_rank
    from records
    left join journaled_records
        on
            records.delivery_id = journaled_records.delivery_id
            and records.row_number = journaled_records.row_number
    left join later_deliveries
        on
            records.delivery_id = later_deliveries.delivery_id
            and records.row_number = later_deliveries.row_number
    where
        records.is_correction
        and journaled_records.delivery_id is null
        and later_deliveries.delivery_id is null

),

-- A record can be corrected once; to correct it again, the correction is corrected. A key that was
-- refused once is taken: what else is said under it later is no new record.
refused_keys as (

    select first_corrections.record_key
    from first_corrections
    {{
        look_up(
            'entries',
            'earlier_correction',
            'kept.corrects_key = first_corrections.corrects_key'
        )
    }}
    where
        first_corrections.correction_rank > 1
        or earlier_correction.record_key is not null
    {%- if refused %}

    union distinct

    select record_key
    from {{ refused }}
    where reason = 'conflicting_correction'
    {%- endif %}

),

refused_records as (

    select
        records.delivery_id,
        records.row_number,
        records.record_key,
        case
            when records.corrects_key is not null then 'conflicting_correction'
            else 'conflicting_id'
        end as outcome
    from records
    inner join refused_keys
        on records.record_key = refused_keys.record_key
    left join journaled_records
        on
            records.delivery_id = journaled_records.delivery_id
            and records.row_number = journaled_records.row_number
    where journaled_records.delivery_id is null

),

judged_records as (

    select
        delivery_id,
        row_number,
        record_key,
        outcome,
        kept_delivery_id,
        kept_row_number
    from journaled_records

    union all

    select
        later_deliveries.delivery_id,
        later_deliveries.row_number,
        later_deliveries.record_key,
        later_deliveries.outcome,
        later_deliveries.kept_delivery_id,
        later_deliveries.kept_row_number
    from later_deliveries
    left join refused_keys
        on later_deliveries.record_key = refused_keys.record_key
    where refused_keys.record_key is null

    union all

    select
        delivery_id,
        row_number,
        record_key,
        outcome,
        null as kept_delivery_id,
        null as kept_row_number
    from refused_records
    {%- if is_archived %}

    union all

    select
        delivery_id,
        row_number,
        record_key,
        outcome,
        null as kept_delivery_id,
        null as kept_row_number
    from archived_records
    {%- endif %}

)

select
    delivery_id::integer as delivery_id,
    row_number::integer as row_number,
    record_key::uuid as record_key,
    outcome::text as outcome,
    kept_delivery_id::integer as kept_delivery_id,
    kept_row_number::integer as kept_row_number
from judged_records
