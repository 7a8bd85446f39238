{{ config(pre_hook=['{{ claim_deliveries() }}', '{{ hash_joins() }}']) }}

{%- set is_archived = has_archive() %}
{%- set refused = earlier_refusals() %}
{%- set entries = ref('stg_journal__entries') %}

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

{% if is_archived %}
-- What is archived, and what would change an archived month, never gets further than here.
archived_records as (

    select
        claimed_records.delivery_id,
        claimed_records.row_number,
        claimed_records.record_key,
        {{ archive_outcome('claimed_records') }} as outcome,
        journaled.delivery_id as kept_delivery_id,
        journaled.row_number as kept_row_number
    from claimed_records
    {{ look_up(entries, 'journaled', 'kept.record_key = claimed_records.record_key') }}
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
    {{ look_up(entries, 'journaled', 'kept.record_key = records_by_key.record_key') }}
    where journaled.record_key is not null

),

-- What the journal does not know yet: of two that say the same id, the build itself decides.
new_records as {{ inlined() }} (

    select records.*
    from records
    left join journaled_records
        on
            records.delivery_id = journaled_records.delivery_id
            and records.row_number = journaled_records.row_number
    where journaled_records.delivery_id is null

),

repeated_keys as (

    select record_key
    from new_records
    group by record_key
    having count(*) > 1

),

-- What this build finds more than once; of the first delivery, that it becomes the entry.
repetitions as (

    select
        new_records.*,
        row_number() over (
            partition by new_records.record_key
            order by new_records.delivery_id, new_records.row_number
        ) as delivery_rank
    from new_records
    inner join repeated_keys
        on new_records.record_key = repeated_keys.record_key

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
    from repetitions as later
    inner join repetitions as first_ones
        on
            later.record_key = first_ones.record_key
            and first_ones.delivery_rank = 1
    where later.delivery_rank > 1

),

-- A key that was refused once is taken: what else is said under it later is no new record, and
-- takes no other correction's place.
earlier_refused_keys as (

    {% if refused -%}
    select distinct record_key
    from {{ refused }}
    where reason = 'conflicting_correction'
    {%- else -%}
    select null::uuid as record_key
    where false
    {%- endif %}

),

-- Corrections are few. What is said of them is found by key, and costs the other records nothing:
-- an engine that has built an empty hash table does not read the other side of its join.
first_corrections as (

    select
        new_records.record_key,
        new_records.corrects_key,
        row_number() over (
            partition by new_records.corrects_key
            order by new_records.delivery_id, new_records.row_number
        ) as correction_rank
    from new_records
    left join later_deliveries
        on
            new_records.delivery_id = later_deliveries.delivery_id
            and new_records.row_number = later_deliveries.row_number
    left join earlier_refused_keys
        on new_records.record_key = earlier_refused_keys.record_key
    where
        new_records.is_correction
        and later_deliveries.delivery_id is null
        and earlier_refused_keys.record_key is null

),

-- A record can be corrected once; to correct it again, the correction is corrected.
refused_keys as (

    select first_corrections.record_key
    from first_corrections
    {{
        look_up(
            entries,
            'earlier_correction',
            'kept.corrects_key = first_corrections.corrects_key'
        )
    }}
    where
        first_corrections.correction_rank > 1
        or earlier_correction.record_key is not null

    union all

    select record_key
    from earlier_refused_keys

),

refused_records as (

    select
        new_records.delivery_id,
        new_records.row_number,
        new_records.record_key,
        case
            when new_records.corrects_key is not null then 'conflicting_correction'
            else 'conflicting_id'
        end as outcome,
        null::integer as kept_delivery_id,
        null::integer as kept_row_number
    from new_records
    inner join refused_keys
        on new_records.record_key = refused_keys.record_key

),

judged_records as (

    select *
    from journaled_records

    union all

    select later_deliveries.*
    from later_deliveries
    left join refused_keys
        on later_deliveries.record_key = refused_keys.record_key
    where refused_keys.record_key is null

    union all

    select *
    from refused_records
    {%- if is_archived %}

    union all

    select *
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
