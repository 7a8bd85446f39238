{{ config(pre_hook='{{ hash_joins() }}') }}

{%- set is_archived = has_archive() %}

with

parameters as (

    select build_number
    from {{ source('ops', 'parameters') }}

),

records as {{ inlined() }} (

    select
        delivery_id,
        row_number,
        record_key,
        occurred_at,
        tenant_id,
        dimension_id,
        value,
        metadata,
        corrects_key
    from {{ ref('stg_raw__unjournaled_records') }}

),

new_entries as (

    select
        delivery_id,
        row_number
    from {{ ref('jnl_usage_entries') }}
    where
        not is_reversal
        and build_number = (select parameters.build_number from parameters)

),

-- All but the few that remain have just become entries themselves; found by their places alone, as
-- the whole rows of a large delivery would not fit into memory.
unjournaled_places as (

    select
        records.delivery_id,
        records.row_number
    from records
    left join new_entries
        on
            records.delivery_id = new_entries.delivery_id
            and records.row_number = new_entries.row_number
    where new_entries.delivery_id is null

),

unjournaled as (

    select records.*
    from unjournaled_places
    inner join records
        on
            unjournaled_places.delivery_id = records.delivery_id
            and unjournaled_places.row_number = records.row_number

),

judged as (

    select
        unjournaled.delivery_id,
        unjournaled.row_number,
        unjournaled.record_key,
        journaled.delivery_id as kept_delivery_id,
        journaled.row_number as kept_row_number,
        coalesce(
            {% if is_archived %}
            {{ archive_outcome('unjournaled') }},
            {% endif %}
            case
                when journaled.record_key is null and unjournaled.corrects_key is not null
                    then 'conflicting_correction'
                when {{ is_same_record('unjournaled', 'journaled') }} then 'duplicate'
                else 'conflicting_id'
            end
        ) as outcome
    from unjournaled
    {{
        look_up(
            ref('jnl_usage_entries'),
            'journaled',
            'kept.record_key = unjournaled.record_key and not kept.is_reversal'
        )
    }}
    {% if is_archived %}
    {{ look_up_archive('unjournaled') }}
    {% endif %}

)

-- An entry that a build has journaled and died after is no repetition of itself.
select
    delivery_id::integer as delivery_id,
    row_number::integer as row_number,
    record_key::uuid as record_key,
    outcome::text as outcome,
    kept_delivery_id::integer as kept_delivery_id,
    kept_row_number::integer as kept_row_number
from judged
where
    kept_delivery_id is null
    or kept_delivery_id <> delivery_id
    or kept_row_number <> row_number
