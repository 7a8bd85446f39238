"""Records that the journal refused because of an archive: landed again, once they may be."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import Connection, Row, text

from assets.ingestion.bookkeeping import (
    LandingReport,
    Pull,
    claim_delivery,
    record_counts,
    record_pull,
)
from assets.ingestion.refused import KEYS, asked
from assets.ingestion.replay import ALL, Choice, ReplayReport
from connectors.database import relation_exists
from connectors.partitions import ensure_days
from connectors.warehouse import Warehouse
from models.settings import AnySource
from models.tables import raw

REASONS = ("archived_time", "archived_original")
OPEN = f"{KEYS} and refused.reason in ('archived_time', 'archived_original')"
DELIVERIES = f"""
    select
        open_rows.delivery_id, deliveries.object,
        (deliveries.landed_at at time zone 'UTC')::date as landed_on,
        (
            select count(*)
            from raw.deliveries as replays
            where replays.replays_delivery_id = open_rows.delivery_id
        ) as replay_count
    from (select distinct delivery_id from ({OPEN}) as found) as open_rows
    inner join raw.deliveries as deliveries on open_rows.delivery_id = deliveries.delivery_id
    order by open_rows.delivery_id
"""  # noqa: S608
COLUMNS = (
    "row_number, record_key, occurred_at, value, tenant_id, dimension_id, record_id, metadata,"
    " corrects"
)
# As landed, wherever the rows are by now; what is archived still would be refused again.
REPLAY = f"""
    with landed as (
        select {COLUMNS}
        from raw.usage_records
        where landed_on = :landed_on and delivery_id = :delivery_id
        union all
        select {COLUMNS}
        from raw.refused_records
        where delivery_id = :delivery_id
    ),

    replayed as (
        insert into raw.usage_records (landed_on, delivery_id, {COLUMNS})
        select :today, :replay_id, {COLUMNS}
        from landed
        where
            row_number in (select open_rows.row_number from ({OPEN}) as open_rows)
            and date_trunc('month', occurred_at at time zone 'UTC')::date
            not in (select usage_month from ops.archived_months)
            and not exists (
                select 1
                from (
                    select record_key from ops.archived_entries
                    union all
                    select record_key from ops.kept_entries where is_in_archived_month
                ) as archived
                where
                    archived.record_key = md5(:source || chr(31) || landed.corrects)::uuid
            )
        returning row_number
    )

    insert into raw.quarantine_resolutions
        (delivery_id, row_number, resolution, replay_delivery_id, resolved_at)
    select :delivery_id, row_number, 'replayed', :replay_id, :now
    from replayed
"""  # noqa: S608


def replay_refused(
    warehouse: Warehouse,
    source: AnySource,
    as_of: datetime,
    choice: Choice = ALL,
) -> ReplayReport:
    """Land once more what the journal refused of a source because of an archive that is restored.

    As with rows that could not be read, each delivery gets one that names it and keeps the numbers
    of its rows. What concerns months that are archived still is left as it is.
    """
    chosen = asked(replace(choice, source=source.name))
    started_at = datetime.now(UTC)
    pull = Pull(uuid4().hex, source.name, max(as_of, started_at))
    report = LandingReport()
    with warehouse.locked(f"pull {source.name}"):
        ensure_days(warehouse, raw.usage_records, pull.landed_on)
        for delivery in _rows(warehouse, DELIVERIES, chosen):
            _replay(warehouse, pull, delivery, chosen, report)
        record_pull(warehouse, pull, (started_at, datetime.now(UTC)), report, None)
    remaining = len(_rows(warehouse, OPEN, chosen))
    return ReplayReport(source.name, report.landed_count, remaining, tuple(report.delivery_ids))


def _rows(warehouse: Warehouse, query: str, chosen: dict[str, object]) -> list[Row]:
    with warehouse.begin() as connection:
        if not relation_exists(connection, "journal.jnl_conflicting_records"):
            return []
        return list(connection.execute(text(query), chosen))


class _NothingToReplayError(Exception):
    """All that a delivery brought is archived still: its replay is rolled back."""


def _replay(
    warehouse: Warehouse,
    pull: Pull,
    delivery: Row,
    chosen: dict[str, object],
    report: LandingReport,
) -> None:
    try:
        with warehouse.begin() as connection:
            counts = _land_again(connection, pull, delivery, chosen)
    except _NothingToReplayError:
        return
    report.add(counts)


def _land_again(
    connection: Connection, pull: Pull, delivery: Row, chosen: dict[str, object]
) -> LandingReport:
    version = f"{delivery.delivery_id}.{delivery.replay_count + 1}"
    identity = (f"replay of {delivery.object}", version, delivery.delivery_id)
    replay_id = claim_delivery(connection, pull, "usage", identity)
    assert replay_id is not None, identity
    place = {"delivery_id": delivery.delivery_id, "landed_on": delivery.landed_on}
    new = {"replay_id": replay_id, "today": pull.landed_on, "now": datetime.now(UTC)}
    count = connection.execute(text(REPLAY), chosen | place | new).rowcount
    if not count:
        raise _NothingToReplayError
    counts = LandingReport(delivery_count=1, landed_count=count, delivery_ids=[replay_id])
    record_counts(connection, replay_id, counts)
    return counts
