{#-
    What the archive says of a delivered record, null where it is the journal's to judge.

    duplicate, conflicting_id: the record is archived, with this content or another.
    archived_time: it is new, and its month is archived: its cells can no longer be recomputed.
    archived_original: it takes back a record of such a month.

    A record of an archived month that stayed in the journal (see `ops.kept_entries`) is judged there.
    Needs the joins of `look_up_archive`. Who only asks whether the archive has a say leaves out the
    comparison (`is_same`): the hash of a record costs more than all of the rest.
-#}
{% macro archive_outcome(record, is_same=none) -%}
    case
        when archived.record_key is not null
            then
                case
                    when {{ is_same or 'archived.content_hash = ' ~ content_hash(record) }}
                        then 'duplicate'
                    else 'conflicting_id'
                end
        when kept_entries.record_key is not null then null
        when archived_months.usage_month is not null then 'archived_time'
        when archived_originals.record_key is not null or kept_originals.is_in_archived_month
            then 'archived_original'
    end
{%- endmacro %}


{#- The joins that `archive_outcome` needs: one look-up for each record, and tables of a few rows. -#}
{% macro look_up_archive(record) -%}
    {{ look_up('ops.archived_entries', 'archived', 'kept.record_key = ' ~ record ~ '.record_key') }}
    left join ops.archived_months
        on {{ utc_month(record ~ '.occurred_at') }}
        = archived_months.usage_month::timestamp at time zone 'UTC'
    left join ({{ entries_kept_in_journal() }}) as kept_entries
        on {{ record }}.record_key = kept_entries.record_key
    {{
        look_up(
            'ops.archived_entries',
            'archived_originals',
            'kept.record_key = ' ~ record ~ '.corrects_key'
        )
    }}
    left join ({{ entries_kept_in_journal() }}) as kept_originals
        on {{ record }}.corrects_key = kept_originals.record_key
{%- endmacro %}


{% macro entries_kept_in_journal() -%}
    select
        record_key,
        bool_or(is_in_archived_month) as is_in_archived_month
    from ops.kept_entries
    group by record_key
{%- endmacro %}
