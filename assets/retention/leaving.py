"""Which entries an archive may take out of the journal, and which of their months stay."""

from datetime import date

from sqlalchemy import Connection, text

from assets.invoicing.standing import voided_since
from assets.retention.ledger import JOURNAL, ArchiveRefused
from connectors.database import relation_exists

SHOWN = 10
ROLLUP_COUNT = 4
BOUNDARIES = "rating.int_usage_boundaries"

LAST_BUILD = """
    select build_number, finished_at
    from ops.builds
    order by build_number desc
    limit 1
"""
# Rollups are what remains of an archived month: they have to be there, and to know all of it.
ROLLED_UP = """
    select count(*)
    from ops.rollups
    where
        rollup in (
            'fct_usage_hourly', 'int_usage_groups_hourly', 'int_usage_moments',
            'int_usage_values_daily'
        )
        and build_number >= (select max(build_number) from journal.jnl_control_totals)
"""
MONTHS = """
    select distinct usage_month
    from journal.jnl_control_totals
    where
        usage_month < :before
        and usage_month not in (select usage_month from ops.archived_months)
    order by usage_month
"""
OPEN_INVOICES = """
    select distinct periods.invoice_id
    from rating.int_contract_invoices as periods
    inner join unnest(cast(:months as date[])) as months (usage_month)
        on
            periods.period_start_at < (months.usage_month + interval '1 month') at time zone 'UTC'
            and periods.period_end_at > months.usage_month::timestamp at time zone 'UTC'
    where not periods.is_closed
    order by periods.invoice_id
"""
DIFFERENT = """
    with journal as (
        select
            date_trunc('month', occurred_at at time zone 'UTC')::date as usage_month,
            dimension_id, sum(value) as quantity, sum(sign) as record_count
        from journal.jnl_usage_entries
        where occurred_at < cast(:before as date)::timestamp at time zone 'UTC'
        group by 1, 2
    ),

    cells as (
        select
            date_trunc('month', usage_hour at time zone 'UTC')::date as usage_month,
            dimension_id, sum(quantity_sum) as quantity, sum(record_count) as record_count
        from marts.fct_usage_hourly
        where usage_hour < cast(:before as date)::timestamp at time zone 'UTC'
        group by 1, 2
    )

    select coalesce(journal.usage_month, cells.usage_month) as usage_month
    from journal
    full join cells
        on journal.usage_month = cells.usage_month and journal.dimension_id = cells.dimension_id
    where
        coalesce(journal.usage_month, cells.usage_month) = any(cast(:months as date[]))
        and (journal.quantity, journal.record_count)
        is distinct from (cells.quantity, cells.record_count)
    limit 1
"""
# Where a boundary lies inside an hour, rating reads the hour's entries, and inside a day the day's,
# to count distinct values: these have to stay.
CUT_HOURS = """
    create temp table cut_hours on commit drop as
    select distinct
        tenant_id, dimension_id,
        date_bin('1 hour', boundary_at, '2000-01-01 00:00:00+00') as starts_at
    from rating.int_usage_boundaries
    where boundary_at <> date_bin('1 hour', boundary_at, '2000-01-01 00:00:00+00')
"""
CUT_DAYS = """
    create temp table cut_days on commit drop as
    select distinct
        tenant_id, dimension_id,
        date_bin('1 day', boundary_at, '2000-01-01 00:00:00+00') as starts_at
    from rating.int_usage_boundaries
    where
        boundary_at <> date_bin('1 day', boundary_at, '2000-01-01 00:00:00+00')
        and dimension_id in (
            select dimension_id from catalog.dimensions where distinct_on is not null
        )
"""
# Where a price asks something of each record, rating reads them all: of these tenants they stay.
SINGLE_RECORDS = """
    create temp table single_records on commit drop as
    select distinct tenant_id, dimension_id, null::timestamptz as starts_at
    from rating.int_record_spans
"""
NOTHING_CUT = (
    "create temp table {name} (tenant_id text, dimension_id text, starts_at timestamptz)"
    " on commit drop"
)
CUTS = {"cut_hours": CUT_HOURS, "cut_days": CUT_DAYS, "single_records": SINGLE_RECORDS}

# What takes part in a correction stays, however old: it is little, and the rules of corrections
# need all of it in one place.
LEAVE = """
    insert into ops.archived_entries (record_key, content_hash, archive_id)
    select
        entries.record_key,
        ops.content_hash(
            entries.occurred_at, entries.tenant_id, entries.dimension_id, entries.value,
            entries.metadata, entries.corrects_key
        ),
        :archive_id
    from journal.jnl_usage_entries as entries
    left join journal.jnl_usage_entries as reversals
        on entries.record_key = reversals.record_key and reversals.is_reversal
    left join cut_hours
        on
            entries.tenant_id = cut_hours.tenant_id
            and entries.dimension_id = cut_hours.dimension_id
            and date_bin('1 hour', entries.occurred_at, '2000-01-01 00:00:00+00')
            = cut_hours.starts_at
    left join cut_days
        on
            entries.tenant_id = cut_days.tenant_id
            and entries.dimension_id = cut_days.dimension_id
            and date_bin('1 day', entries.occurred_at, '2000-01-01 00:00:00+00')
            = cut_days.starts_at
    left join single_records
        on
            entries.tenant_id = single_records.tenant_id
            and entries.dimension_id = single_records.dimension_id
    where
        entries.occurred_at >= cast(:first as date)::timestamp at time zone 'UTC'
        and entries.occurred_at < cast(:before as date)::timestamp at time zone 'UTC'
        and date_trunc('month', entries.occurred_at at time zone 'UTC')::date
        = any(cast(:months as date[]))
        and not entries.is_reversal
        and entries.corrects_key is null
        and reversals.record_key is null
        and cut_hours.tenant_id is null
        and cut_days.tenant_id is null
        and single_records.tenant_id is null
    order by entries.record_key
"""
STAY = """
    insert into ops.kept_entries (record_key, archive_id, is_in_archived_month)
    with entries as (
        select
            record_key, corrects_key,
            date_trunc('month', occurred_at at time zone 'UTC')::date
            = any(cast(:months as date[])) as is_in_archived_month
        from journal.jnl_usage_entries
        where
            not is_reversal
            and (
                corrects_key is not null
                or occurred_at < cast(:before as date)::timestamp at time zone 'UTC'
            )
    )

    select entries.record_key, :archive_id, entries.is_in_archived_month
    from entries
    left join ops.archived_entries as archived
        on entries.record_key = archived.record_key and archived.archive_id = :archive_id
    left join entries as originals
        on entries.corrects_key = originals.record_key
    where
        archived.record_key is null
        and (entries.is_in_archived_month or originals.is_in_archived_month)
"""


def refuse_unsettled(connection: Connection) -> None:
    """Raise where the journal and what is made of it have not come to rest."""
    if not relation_exists(connection, JOURNAL):
        raise ArchiveRefused("there is no journal yet: run `meterhouse run` first")
    build = connection.execute(text(LAST_BUILD)).one_or_none()
    if build is None or build.finished_at is None:
        raise ArchiveRefused("the last build did not finish: `meterhouse run` again, then archive")
    voided = voided_since(connection, build.build_number)
    if voided is not None:
        raise ArchiveRefused(
            f"invoice {voided} was voided since the last build: `meterhouse run` again, "
            "then archive"
        )
    if connection.execute(text(ROLLED_UP)).scalar_one() < ROLLUP_COUNT:
        raise ArchiveRefused(
            "the usage rollups do not hold the whole journal: `meterhouse run` again, then archive"
        )


def months_to_archive(connection: Connection, before: date) -> list[date]:
    """Return the months before a boundary; raise where one is not settled, or none is left."""
    months: list[date] = list(connection.execute(text(MONTHS), {"before": before}).scalars())
    if not months:
        raise ArchiveRefused(f"the journal has nothing from before {before:%Y-%m} left to archive")
    _refuse_open_invoices(connection, months)
    different = connection.execute(text(DIFFERENT), {"before": before, "months": months}).scalar()
    if different is not None:
        raise ArchiveRefused(
            f"the usage rollups of {different:%Y-%m} are not what the journal says, and would be "
            "all that is left of it here: verify and rebuild them first"
        )
    return months


def _refuse_open_invoices(connection: Connection, months: list[date]) -> None:
    if not relation_exists(connection, BOUNDARIES):
        return
    found: list[str] = list(connection.execute(text(OPEN_INVOICES), {"months": months}).scalars())
    if not found:
        return
    shown = ", ".join(found[:SHOWN])
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    raise ArchiveRefused(
        f"invoices of these months are not finalised: {shown}{more}. "
        "`meterhouse close` them first, or archive fewer months"
    )


def take_leave(connection: Connection, archive_id: int, months: list[date]) -> list[date]:
    """Note in the ledger which entries leave, and which of these months stay.

    Returns the months of which anything leaves: only these count as archived.
    """
    is_rated = relation_exists(connection, BOUNDARIES)
    for name, statement in CUTS.items():
        connection.execute(text(statement if is_rated else NOTHING_CUT.format(name=name)))
        connection.execute(text(f"analyze {name}"))
    before = _following(months[-1])
    asked = {"archive_id": archive_id, "first": months[0], "before": before, "months": months}
    connection.execute(text("set local enable_nestloop = off"))
    connection.execute(text(LEAVE), asked)
    connection.execute(text("analyze ops.archived_entries"))
    left = connection.execute(
        text(
            """
            select distinct date_trunc('month', entries.occurred_at at time zone 'UTC')::date
            from ops.archived_entries as archived
            inner join journal.jnl_usage_entries as entries
                on archived.record_key = entries.record_key
            where archived.archive_id = :archive_id
            """
        ),
        asked,
    )
    leaving: list[date] = sorted(left.scalars())
    if not leaving:
        raise ArchiveRefused("of these months everything has to stay in the journal")
    connection.execute(text(STAY), asked | {"months": leaving})
    return leaving


def _following(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)
