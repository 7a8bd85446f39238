"""Rows of a table that have changed since they landed, as corrections of what landed before.

A row is journaled under its key. When it changes, its new state is another record, which corrects
the one that stands: so usage follows the table, and the journal keeps every state.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

from assets.ingestion.chunks import Target
from assets.ingestion.overlap import Landed, landed_deliveries
from assets.ingestion.staging import SAME_CONTENT, stage, unknown_rejects
from connectors.database import relation_exists
from connectors.deliveries import DeliveredRow, Unreadable
from connectors.postgres_cursor import Recent
from connectors.postgres_rows import PostgresRows
from connectors.postgres_stream import Screened
from connectors.warehouse import Warehouse

# Where the reader finds what we say of a changed row; no table has such columns.
VERSION_ID = "meterhouse: id of the version"
CORRECTED_ID = "meterhouse: id of the version before"

# Of what is journaled, the journal knows all; of the rest, landing.
UNJOURNALED = """
    select deliveries.delivery_id, (deliveries.landed_at at time zone 'UTC')::date as landed_on
    from raw.deliveries
    left join ops.journaled_deliveries
        on deliveries.delivery_id = journaled_deliveries.delivery_id
    where
        deliveries.source = :source
        and deliveries.landed_count > 0
        and journaled_deliveries.delivery_id is null
"""
HAS_LANDED = "select exists (select 1 from raw.deliveries where source = :source)"
CONTENT = "record_id, occurred_at, tenant_id, dimension_id, value, metadata"
LANDED_RECORDS = f"""
    create temporary table landed_records on commit drop as
    select
        record_key,
        md5(:source || chr(31) || corrects)::uuid as corrects_key,
        {CONTENT},
        delivery_id,
        row_number
    from raw.usage_records
    where
        delivery_id = any(:delivery_ids)
        and landed_on >= :first_day
        and (corrects is not null or record_key in (select record_key from staged_records))
"""  # noqa: S608 - made of our own words only
JOURNALED_RECORDS = f"""
    union all
    select record_key, corrects_key, {CONTENT}, delivery_id, row_number
    from journal.jnl_usage_entries
    where not is_reversal
"""  # noqa: S608 - made of our own words only
# From the record of the key itself to the last correction. Each of a chain is there once, however
# often it was delivered: the first one stands.
CHANGED = """
    with recursive

    known as (
        select record_key, corrects_key, {content}, delivery_id, row_number
        from landed_records
        {journaled}
    ),

    versions as (
        select staged_records.row_number, staged_records.record_key as version_key, 1 as depth
        from staged_records
        where exists (
            select 1 from known where known.record_key = staged_records.record_key
        )
        union
        select versions.row_number, known.record_key, versions.depth + 1
        from versions
        inner join known on versions.version_key = known.corrects_key
        where known.corrects_key is not null
    ),

    standing as (
        select distinct on (row_number) row_number, version_key, depth
        from versions
        order by row_number, depth desc, version_key
    )

    select distinct on (staged_records.row_number)
        staged_records.row_number,
        staged_records.record_id,
        known.record_id as standing_id,
        standing.depth,
        {same} as is_same
    from staged_records
    left join standing on staged_records.row_number = standing.row_number
    left join known on standing.version_key = known.record_key
    order by staged_records.row_number, known.delivery_id, known.row_number
"""


class ChangeScreen:
    """The screen of a source whose rows change: a row is news unless its last state has landed."""

    def __init__(self, warehouse: Warehouse, target: Target, source: str) -> None:
        self._warehouse = warehouse
        self._target = target
        self._source = source
        self._is_first: bool | None = None
        self._landed: Landed | None = None

    def __call__(self, rows: PostgresRows, seen_count: int, recent: Sequence[Recent]) -> Screened:
        """Return new rows as they are, and changed ones as corrections of what stands."""
        del seen_count
        with self._warehouse.begin() as connection:
            landed = self._before_this_pull(connection)
            if landed is None:
                return Screened(range(rows.table().num_rows))
            rejected = stage(self._warehouse, connection, self._target, rows)
            known = landed_deliveries(connection, self._source, recent).delivery_ids
            news = unknown_rejects(connection, rejected, known)
            changes = self._changes(connection, landed)
        news += [number for number, _, standing, _, _ in changes if standing is None]
        changed = [row for row in changes if row.standing_id is not None and not row.is_same]
        return Screened(sorted(news), list(_rewritten(rows, changed)))

    def _before_this_pull(self, connection: Connection) -> Landed | None:
        """Return what had landed when the pull began and is not journaled; None if nothing had.

        What the pull itself lands need not be looked at: in a snapshot a key is there once.
        """
        if self._is_first is None:
            self._is_first = not _is_any(connection, HAS_LANDED, self._source)
            found = connection.execute(text(UNJOURNALED), {"source": self._source}).all()
            days = [row.landed_on for row in found]
            self._landed = Landed([row.delivery_id for row in found], min(days, default=date.min))
        return None if self._is_first else self._landed

    def _changes(self, connection: Connection, landed: Landed) -> list[Any]:
        arguments = {"source": self._source, **landed._asdict()}
        connection.execute(text(LANDED_RECORDS), arguments)
        connection.execute(text("analyze landed_records"))
        journaled = (
            JOURNALED_RECORDS if relation_exists(connection, "journal.jnl_usage_entries") else ""
        )
        same = SAME_CONTENT.format(left="known", right="staged_records")
        statement = CHANGED.format(content=CONTENT, journaled=journaled, same=same)
        return list(connection.execute(text(statement)).all())


def version_fields(key: str) -> dict[str, Any]:
    """Return where records of changing rows have their ids: a first state has that of its row."""
    return {"id": (VERSION_ID, key), "corrects": CORRECTED_ID}


def version_id(row_id: str, version: int) -> str:
    """Return the id of a later state of a row: the second is version 2."""
    return f"{row_id} (version {version})"


def _is_any(connection: Connection, query: str, source: str) -> bool:
    return bool(connection.execute(text(query), {"source": source}).scalar())


def _rewritten(rows: PostgresRows, changed: Sequence[Any]) -> Iterator[DeliveredRow]:
    found = rows.rows_at([change.row_number for change in changed])
    for change, (number, row) in zip(changed, found, strict=True):
        if isinstance(row, Unreadable):
            yield number, row
            continue
        version = version_id(change.record_id, change.depth + 1)
        yield number, {**row, VERSION_ID: version, CORRECTED_ID: change.standing_id}
