"""Quarantine: what is in it, reading it again after a change of the settings, giving rows up."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, Select, func, select

from assets.ingestion.bookkeeping import LandingReport, Pull, record_pull
from assets.ingestion.chunks import Target
from assets.ingestion.landing import cost_target, land_rows, usage_target
from assets.ingestion.plans import mixpanel_project, usage_fields
from connectors.deliveries import DeliveredRow
from connectors.mixpanel import usage_row
from connectors.partitions import ensure_days
from connectors.warehouse import Warehouse
from models.delivered import Rejection
from models.exact_json import read_json
from models.settings import AnySource, MixpanelSource, UsageSource
from models.tables import raw

BATCH_ROWS = 5_000
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
    quarantine = raw.quarantine.c
    statement = _open_rows(choice, quarantine.delivery_id, quarantine.row_number)
    now = datetime.now(UTC)
    with warehouse.begin() as connection:
        rows = connection.execute(statement).all()
        resolved = [(row.delivery_id, row.row_number, "waived", None, now) for row in rows]
        return _resolve(warehouse, connection, resolved)


def replay_quarantine(
    warehouse: Warehouse, source: AnySource, as_of: datetime, choice: Choice = ALL
) -> ReplayReport:
    """Read a source's quarantined rows again, with its settings as they are now.

    Those that can be read now land in a delivery of their own, which names the one it replays and
    keeps the row numbers; the others stay as they are. A row is replayed once: again adds nothing.
    """
    started_at = datetime.now(UTC)
    choice = Choice(source.name, choice.reason, choice.delivery_id, choice.row_number)
    pull = Pull(uuid4().hex, source.name, max(as_of, started_at), *_settings_of(source))
    target = usage_target(pull) if source.measures == "usage" else cost_target(pull)
    report = LandingReport()
    with warehouse.locked(f"pull {source.name}"):
        ensure_days(warehouse, raw.usage_records, pull.landed_on)
        for delivery in _deliveries_with_open_rows(warehouse, choice):
            _replay_delivery(warehouse, pull, _Replay(source, target, delivery, choice), report)
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


def _settings_of(source: AnySource) -> tuple[Mapping[str, Any] | None, str]:
    if isinstance(source, UsageSource):
        return usage_fields(source), source.timezone
    return None, "UTC"


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
    columns = (deliveries.delivery_id, deliveries.object)
    statement = _open_rows(choice, *columns).distinct().order_by(deliveries.delivery_id)
    with warehouse.begin() as connection:
        return list(connection.execute(statement))


class _NothingToReplayError(Exception):
    """No row of a delivery can be read yet: its replay is rolled back."""


def _replay_delivery(
    warehouse: Warehouse, pull: Pull, replay: _Replay, report: LandingReport
) -> None:
    try:
        with warehouse.begin() as connection:
            counts = _replay_rows(warehouse, connection, pull, replay)
    except _NothingToReplayError:
        return
    report.add(counts)


def _replay_rows(
    warehouse: Warehouse, connection: Connection, pull: Pull, replay: _Replay
) -> LandingReport:
    """Land what can be read now, and say so in the same transaction."""
    delivery_id = replay.delivery.delivery_id
    attempt = _replay_count(connection, delivery_id) + 1
    identity = (f"replay of {replay.delivery.object}", f"{delivery_id}.{attempt}", delivery_id)
    replayed: list[int] = []
    rows = _readable_rows(connection, replay, replayed)
    counts = land_rows(warehouse, connection, pull, replay.target, identity, rows)
    if counts is None or not counts.landed_count:
        raise _NothingToReplayError
    now, [replay_id] = datetime.now(UTC), counts.delivery_ids
    resolved = [(delivery_id, number, "replayed", replay_id, now) for number in replayed]
    _resolve(warehouse, connection, resolved)
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
        for row_number, text in _quarantined(connection, replay):
            row = _row_of(replay.source, text)
            if row is not None and not isinstance(reader.read(row), Rejection):
                replayed.append(row_number)
                yield row_number, row

    return rows


def _quarantined(connection: Connection, replay: _Replay) -> Iterator[tuple[int, str]]:
    """Yield the open rows of a delivery by number; row 0 is the file, which cannot be read."""
    quarantine = raw.quarantine.c
    choice = Choice(
        replay.choice.source,
        replay.choice.reason,
        replay.delivery.delivery_id,
        replay.choice.row_number,
    )
    statement = _open_rows(choice, quarantine.row_number, quarantine.record)
    last = 0
    while True:
        batch = connection.execute(
            statement.where(quarantine.row_number > last)
            .order_by(quarantine.row_number)
            .limit(BATCH_ROWS)
        ).all()
        yield from ((row.row_number, row.record) for row in batch)
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


def _resolve(warehouse: Warehouse, connection: Connection, rows: list[tuple[Any, ...]]) -> int:
    table = raw.quarantine_resolutions
    return warehouse.copy_rows(connection, table, RESOLUTION_COLUMNS, rows) if rows else 0
