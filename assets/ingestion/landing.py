"""Landing: each delivery of a source goes into ``raw`` once, in one transaction with its counts.

A crash leaves whole deliveries or nothing: the next pull lands what is missing and skips the rest.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Table

from assets.ingestion.bookkeeping import (
    LandedVersions,
    LandingReport,
    Pull,
    claim_delivery,
    record_counts,
    save_cursor,
)
from connectors.deliveries import DeliveredRow, Delivery, DeliveryFailed, Unreadable
from connectors.warehouse import Warehouse
from models.cost import CostLine, CostReader
from models.delivered import Rejection
from models.exact_json import storable, write_json
from models.tables import raw
from models.usage import UsageReader, UsageRecord

# Enough rows to make a COPY worth its round trip, few enough to stay small in memory.
CHUNK_ROWS = 20_000
CHUNK_CHARACTERS = 32 * 1024 * 1024

QUARANTINE_COLUMNS = (
    "delivery_id",
    "row_number",
    "reason",
    "detail",
    "record",
    "quarantined_at",
)


class RowReader(Protocol):
    """What turns delivered rows into records; one per delivery."""

    def read(self, row: Mapping[str, Any], /) -> UsageRecord | CostLine | Rejection:
        """Return the record in a row, or why there is none."""


@dataclass(frozen=True, slots=True)
class Target:
    """The landing table of one kind of source, and how its rows are read."""

    kind: str
    table: Table
    columns: tuple[str, ...]
    constants: tuple[Any, ...]
    new_reader: Callable[[], RowReader]


@dataclass(slots=True)
class _Chunk:
    """Rows on their way into the landing table and into quarantine."""

    landed: list[tuple[Any, ...]]
    quarantined: list[tuple[Any, ...]]
    rounded_count: int = 0

    @property
    def row_count(self) -> int:
        """Return how many rows there are."""
        return len(self.landed) + len(self.quarantined)

    def counts(self) -> LandingReport:
        """Return the counts of these rows."""
        counts = LandingReport(landed_count=len(self.landed), rounded_count=self.rounded_count)
        counts.quarantined.update(row[2] for row in self.quarantined)
        return counts


def land_usage(
    warehouse: Warehouse, pull: Pull, deliveries: Iterable[Delivery], report: LandingReport
) -> None:
    """Land usage deliveries, each in its own transaction; versions already landed are skipped.

    ``report`` is added to as they land, so that it tells the truth when a source fails half-way.
    """
    landed = LandedVersions(warehouse, pull.source, restates=False)
    _land(warehouse, pull, usage_target(pull), landed, deliveries, report)


def land_costs(
    warehouse: Warehouse, pull: Pull, deliveries: Iterable[Delivery], report: LandingReport
) -> None:
    """Land cost deliveries; an object that says again what it said last is skipped."""
    landed = LandedVersions(warehouse, pull.source, restates=True)
    _land(warehouse, pull, cost_target(pull), landed, deliveries, report)


def usage_target(pull: Pull) -> Target:
    """Return where and how usage lands."""
    zone = ZoneInfo(pull.timezone)
    return Target(
        "usage",
        raw.usage_records,
        ("delivery_id", "row_number", "landed_on", *UsageRecord._fields[:-1]),
        (pull.landed_on,),
        lambda: UsageReader(pull.source, pull.fields, zone, pull.now),
    )


def cost_target(pull: Pull) -> Target:
    """Return where and how cost lines land."""
    return Target(
        "cost",
        raw.cost_lines,
        ("delivery_id", "row_number", "source", *CostLine._fields[:-1]),
        (pull.source,),
        lambda: CostReader(pull.now),
    )


def _land(
    warehouse: Warehouse,
    pull: Pull,
    target: Target,
    landed: LandedVersions,
    deliveries: Iterable[Delivery],
    report: LandingReport,
) -> None:
    for delivery in deliveries:
        version = landed.new_version(delivery)
        if version is None:
            report.skipped_count += 1
            continue
        try:
            with warehouse.begin() as connection:
                identity = (delivery.object, version, None)
                counts = land_rows(warehouse, connection, pull, target, identity, delivery.rows)
                if counts is not None and delivery.cursor is not None:
                    save_cursor(connection, pull.source, delivery.cursor)
        except DeliveryFailed as failure:
            report.failures.append(failure)
            continue
        if counts is None:
            report.skipped_count += 1
        else:
            report.add(counts)
            pull.progress(delivery.object, report.delivered_count)


def land_rows(
    warehouse: Warehouse,
    connection: Connection,
    pull: Pull,
    target: Target,
    identity: tuple[str, str, int | None],
    rows: Callable[[], Iterator[DeliveredRow]],
) -> LandingReport | None:
    """Land the rows of one delivery within the given transaction, and return its counts.

    ``identity`` is object, version and the delivery being replayed. None: it had landed already.
    """
    delivery_id = claim_delivery(connection, pull, target.kind, identity)
    if delivery_id is None:
        return None
    counts = LandingReport(delivery_count=1, delivery_ids=[delivery_id])
    for chunk in _chunks(target, delivery_id, rows()):
        warehouse.copy_rows(connection, target.table, target.columns, chunk.landed)
        if chunk.quarantined:
            warehouse.copy_rows(connection, raw.quarantine, QUARANTINE_COLUMNS, chunk.quarantined)
        counts.add(chunk.counts())
        pull.progress(identity[0], counts.delivered_count)
    record_counts(connection, delivery_id, counts)
    return counts


def _chunks(target: Target, delivery_id: int, rows: Iterator[DeliveredRow]) -> Iterator[_Chunk]:
    """Yield the rows of a delivery, a bounded number at a time."""
    reader, now = target.new_reader(), datetime.now(UTC)
    chunk, characters = _Chunk([], []), 0
    for row_number, row in rows:
        record = row if isinstance(row, Unreadable) else reader.read(row)
        if isinstance(record, (Rejection, Unreadable)):
            reason, detail, text = _unread(row, record)
            chunk.quarantined.append((delivery_id, row_number, reason, detail, text, now))
            characters += len(text)
        else:
            chunk.landed.append((delivery_id, row_number, *target.constants, *record[:-1]))
            chunk.rounded_count += record.is_rounded
            characters += _weight(record)
        if chunk.row_count >= CHUNK_ROWS or characters > CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = _Chunk([], []), 0
    if chunk.row_count:
        yield chunk


def _unread(
    row: Mapping[str, Any] | Unreadable, refusal: Rejection | Unreadable
) -> tuple[str, str, str]:
    text = row.text if isinstance(row, Unreadable) else write_json(row)
    return str(refusal.reason), storable(refusal.detail), storable(text)


def _weight(record: UsageRecord | CostLine) -> int:
    """Return the size of the part of a record that can be large."""
    text = record.metadata if isinstance(record, UsageRecord) else record.tags
    return len(text or "")
