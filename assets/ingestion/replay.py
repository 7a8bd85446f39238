"""Quarantine: what is in it, reading it again after a change of the settings, giving rows up."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    BigInteger,
    Connection,
    Row,
    Select,
    cast,
    exists,
    func,
    insert,
    literal,
    select,
)

from assets.ingestion.bookkeeping import LandingReport, Pull, record_pull
from assets.ingestion.chunks import Target
from assets.ingestion.landing import cost_target, land_rows, usage_target
from assets.ingestion.plans import mixpanel_project, reading_of, usage_store
from connectors.deliveries import Block, DeliveredRow, SourceUnavailable, in_blocks
from connectors.mixpanel import usage_row
from connectors.object_store import StoredObject, blocks_of
from connectors.partitions import ensure_days
from connectors.warehouse import Warehouse
from models.cost import CostLine
from models.delivered import Reason, Rejection
from models.exact_json import read_json
from models.settings import AnySource, FileSource, MixpanelSource, S3Source
from models.tables import raw
from models.usage import UsageRecord

BATCH_ROWS = 5_000
# What becomes of the rows of a file that is not what its format says.
NO_ROWS = {Reason.INVALID_ENCODING, Reason.UNREADABLE_FILE, Reason.UNREADABLE_ROW}
# Where a row that has been read carries its record.
RECORD = "record"
RESOLUTION_COLUMNS = (
    "delivery_id",
    "row_number",
    "resolution",
    "replay_delivery_id",
    "resolved_at",
)


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """A delivered row that could not be read and is neither replayed nor waived."""

    source: str
    object: str
    delivery_id: int
    row_number: int
    reason: str
    detail: str
    record: str
    quarantined_at: datetime


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows of the quarantine are meant; what is None is not asked for."""

    source: str | None = None
    reason: str | None = None
    delivery_id: int | None = None
    row_number: int | None = None


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What became of a source's quarantined rows: now landed, or still not readable."""

    source: str
    replayed_count: int
    remaining_count: int
    delivery_ids: tuple[int, ...]


ALL = Choice()


def list_quarantine(
    warehouse: Warehouse, choice: Choice = ALL, limit: int = 100
) -> list[QuarantinedRow]:
    """Return quarantined rows, the latest first."""
    deliveries, quarantine = raw.deliveries.c, raw.quarantine.c
    statement = (
        _open_rows(
            choice,
            deliveries.source,
            deliveries.object,
            *raw.quarantine.c,
        )
        .order_by(quarantine.delivery_id.desc(), quarantine.row_number)
        .limit(limit)
    )
    with warehouse.begin() as connection:
        return [QuarantinedRow(**row._mapping) for row in connection.execute(statement)]


def count_quarantine(warehouse: Warehouse, choice: Choice = ALL) -> list[tuple[str, str, int]]:
    """Return how many rows are quarantined, by source and reason."""
    columns = (raw.deliveries.c.source, raw.quarantine.c.reason)
    statement = _open_rows(choice, *columns, func.count()).group_by(*columns).order_by(*columns)
    with warehouse.begin() as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(statement)]


def waive_quarantine(warehouse: Warehouse, choice: Choice) -> int:
    """Give up the chosen rows, which are kept but asked about no more; return how many."""
    with warehouse.begin() as connection:
        return _resolve_open(connection, choice, "waived", None)


def replay_quarantine(
    warehouse: Warehouse,
    source: AnySource,
    as_of: datetime,
    choice: Choice = ALL,
    directory: Path = Path(),
) -> ReplayReport:
    """Read a source's quarantined rows again, with its settings as they are now.

    Those that can be read now land in a delivery of their own, which names the one it replays and
    keeps the row numbers; the others stay as they are. A row is replayed once: again adds nothing.

    A file that had no rows at all, as its format was another one, is opened once more: rows of it
    that cannot be read are then in quarantine under the new delivery. ``directory`` is the
    workspace.
    """
    started_at = datetime.now(UTC)
    choice = Choice(source.name, choice.reason, choice.delivery_id, choice.row_number)
    pull = Pull(uuid4().hex, source.name, max(as_of, started_at), **reading_of(source))
    target = usage_target(pull) if source.measures == "usage" else cost_target(pull)
    report = LandingReport()
    with warehouse.locked(f"pull {source.name}"):
        ensure_days(warehouse, raw.usage_records, pull.landed_on)
        for delivery in _deliveries_with_open_rows(warehouse, choice):
            replay = _Replay(source, target, delivery, choice, directory)
            _replay_delivery(warehouse, pull, replay, report)
        record_pull(warehouse, pull, (started_at, datetime.now(UTC)), report, None)
    remaining = sum(count for _, _, count in count_quarantine(warehouse, choice))
    return ReplayReport(source.name, report.landed_count, remaining, tuple(report.delivery_ids))


@dataclass(frozen=True, slots=True)
class _Replay:
    """One delivery whose quarantined rows are read again."""

    source: AnySource
    target: Target
    delivery: Row[Any]
    choice: Choice
    directory: Path

    @property
    def rows(self) -> Choice:
        """Return the chosen rows of the delivery."""
        return Choice(
            self.choice.source,
            self.choice.reason,
            self.delivery.delivery_id,
            self.choice.row_number,
        )


def _open_rows(choice: Choice, *columns: Any) -> Select[Any]:
    """Return the select of quarantined rows that nothing has become of yet."""
    deliveries, quarantine = raw.deliveries, raw.quarantine
    resolutions = raw.quarantine_resolutions
    is_resolution = (resolutions.c.delivery_id == quarantine.c.delivery_id) & (
        resolutions.c.row_number == quarantine.c.row_number
    )
    asked = {
        deliveries.c.source: choice.source,
        quarantine.c.reason: choice.reason,
        quarantine.c.delivery_id: choice.delivery_id,
        quarantine.c.row_number: choice.row_number,
    }
    return (
        select(*columns)
        .select_from(quarantine)
        .join(deliveries, deliveries.c.delivery_id == quarantine.c.delivery_id)
        .outerjoin(resolutions, is_resolution)
        .where(
            resolutions.c.delivery_id.is_(None),
            *[column == value for column, value in asked.items() if value is not None],
        )
    )


def _deliveries_with_open_rows(warehouse: Warehouse, choice: Choice) -> list[Row[Any]]:
    deliveries = raw.deliveries.c
    columns = (
        deliveries.delivery_id,
        deliveries.object,
        deliveries.version,
        deliveries.landed_count,
        deliveries.quarantined_count,
        deliveries.replays_delivery_id,
    )
    statement = _open_rows(choice, *columns).distinct().order_by(deliveries.delivery_id)
    with warehouse.begin() as connection:
        return list(connection.execute(statement))


class _NothingToReplayError(Exception):
    """No row of a delivery can be read yet: its replay is rolled back."""


def _replay_delivery(
    warehouse: Warehouse, pull: Pull, replay: _Replay, report: LandingReport
) -> None:
    for land in (_replay_file, _replay_rows):
        try:
            with warehouse.begin() as connection:
                counts = land(warehouse, connection, pull, replay)
        except (_NothingToReplayError, SourceUnavailable):
            continue
        report.add(counts)
        return


def _replay_file(
    warehouse: Warehouse, connection: Connection, pull: Pull, replay: _Replay
) -> LandingReport:
    """Land a file whose format was wrong as if for the first time."""
    source, delivery = replay.source, replay.delivery
    if not isinstance(source, (S3Source, FileSource)) or not _had_no_rows(connection, replay):
        raise _NothingToReplayError
    store = usage_store(source, replay.directory)
    stored = StoredObject(delivery.object, delivery.version, 0)
    if not store.has(stored):
        raise _NothingToReplayError
    blocks = blocks_of(store, stored, source.format)
    counts = _land(warehouse, connection, pull, replay, blocks)
    _resolve_open(connection, replay.rows, "replayed", counts.delivery_ids[0])
    return counts


def _had_no_rows(connection: Connection, replay: _Replay) -> bool:
    """Return whether all that a delivery brought is in quarantine, as no rows of a file."""
    delivery = replay.delivery
    if delivery.landed_count or delivery.replays_delivery_id or replay.choice.row_number:
        return False
    reason = raw.quarantine.c.reason
    statement = _open_rows(replay.rows, reason, func.count()).group_by(reason)
    found = {row[0]: row[1] for row in connection.execute(statement)}
    return set(found) <= NO_ROWS and sum(found.values()) == delivery.quarantined_count


def _replay_rows(
    warehouse: Warehouse, connection: Connection, pull: Pull, replay: _Replay
) -> LandingReport:
    """Land what can be read now, and say so in the same transaction."""
    replayed: list[int] = []
    rows = _readable_rows(connection, replay, replayed)
    as_read = replace(replay.target, new_reader=_AsRead, new_native_reader=None)
    landing = replace(replay, target=as_read)
    counts = _land(warehouse, connection, pull, landing, lambda: in_blocks(rows()))
    delivery_id, now, [replay_id] = (
        replay.delivery.delivery_id,
        datetime.now(UTC),
        counts.delivery_ids,
    )
    resolved = ((delivery_id, number, "replayed", replay_id, now) for number in replayed)
    warehouse.copy_rows(connection, raw.quarantine_resolutions, RESOLUTION_COLUMNS, resolved)
    return counts


def _land(
    warehouse: Warehouse,
    connection: Connection,
    pull: Pull,
    replay: _Replay,
    blocks: Callable[[], Iterator[Block]],
) -> LandingReport:
    delivery_id = replay.delivery.delivery_id
    attempt = _replay_count(connection, delivery_id) + 1
    identity = (f"replay of {replay.delivery.object}", f"{delivery_id}.{attempt}", delivery_id)
    counts = land_rows(warehouse, connection, pull, replay.target, identity, blocks)
    if counts is None or not counts.landed_count:
        raise _NothingToReplayError
    return counts


def _replay_count(connection: Connection, delivery_id: int) -> int:
    statement = select(func.count()).where(raw.deliveries.c.replays_delivery_id == delivery_id)
    return connection.execute(statement).scalar_one()


def _readable_rows(
    connection: Connection, replay: _Replay, replayed: list[int]
) -> Callable[[], Iterator[DeliveredRow]]:
    """Return the rows that can be read now; their numbers are added to ``replayed``."""

    def rows() -> Iterator[DeliveredRow]:
        reader = replay.target.new_reader()
        for row_number, text, is_chosen in _quarantined(connection, replay):
            row = _row_of(replay.source, text)
            record = None if row is None else reader.read(row)
            if is_chosen and record is not None and not isinstance(record, Rejection):
                replayed.append(row_number)
                yield row_number, {RECORD: record}

    return rows


class _AsRead:
    """The reader of rows that have been read."""

    def read(self, row: Mapping[str, Any], /) -> UsageRecord | CostLine:
        """Return the record that a row came to."""
        record: UsageRecord | CostLine = row[RECORD]
        return record


def _quarantined(connection: Connection, replay: _Replay) -> Iterator[tuple[int, str, bool]]:
    """Yield rows of a delivery by number, and whether they are to be replayed.

    The others are there to be counted: a row without an id is known by how many of its like came
    before it. Row 0 is the file, which cannot be read.
    """
    quarantine, resolutions = raw.quarantine.c, raw.quarantine_resolutions.c
    asked = replay.choice
    is_resolved = exists().where(
        resolutions.delivery_id == quarantine.delivery_id,
        resolutions.row_number == quarantine.row_number,
    )
    statement = select(
        quarantine.row_number, quarantine.record, is_resolved.label("is_resolved")
    ).where(quarantine.delivery_id == replay.delivery.delivery_id)
    if asked.reason is not None:
        statement = statement.where(quarantine.reason == asked.reason)
    if asked.row_number is not None:
        statement = statement.where(quarantine.row_number <= asked.row_number)
    last = 0
    while True:
        batch = connection.execute(
            statement.where(quarantine.row_number > last)
            .order_by(quarantine.row_number)
            .limit(BATCH_ROWS)
        ).all()
        for row in batch:
            is_asked_for = asked.row_number in (None, row.row_number)
            yield row.row_number, row.record, is_asked_for and not row.is_resolved
        if len(batch) < BATCH_ROWS:
            return
        last = batch[-1].row_number


def _row_of(source: AnySource, text: str) -> Mapping[str, Any] | None:
    """Return the row that a quarantined text holds, or None if it holds none."""
    try:
        row = read_json(text)
    except ValueError:
        return None
    if not isinstance(row, dict):
        return None
    if isinstance(source, MixpanelSource):
        return usage_row(mixpanel_project(source), row)
    return row


def _resolve_open(
    connection: Connection, choice: Choice, resolution: str, replay_id: int | None
) -> int:
    """Say what became of rows that nothing has become of yet; return of how many."""
    quarantine = raw.quarantine.c
    resolved = _open_rows(
        choice,
        quarantine.delivery_id,
        quarantine.row_number,
        literal(resolution),
        cast(literal(replay_id), BigInteger),
        literal(datetime.now(UTC)),
    )
    statement = insert(raw.quarantine_resolutions).from_select(RESOLUTION_COLUMNS, resolved)
    return connection.execute(statement).rowcount
