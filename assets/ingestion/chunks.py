"""Delivered rows on their way into the landing table or into quarantine, some at a time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import pyarrow as pa
from sqlalchemy import Table

from assets.ingestion.bookkeeping import LandingReport
from connectors.arrow_arrays import repeated
from connectors.copying import binary_rows
from connectors.deliveries import Block, NativeRows, Unreadable
from models.cost import CostLine
from models.delivered import Rejection
from models.exact_json import storable, write_json
from models.usage import UsageRecord

# Enough rows to make a COPY worth its round trip, few enough to stay small in memory.
CHUNK_ROWS = 20_000
CHUNK_CHARACTERS = 32 * 1024 * 1024
# Of a longer row only the beginning is kept in quarantine: Postgres has no room for any text.
MOST_KEPT_CHARACTERS = CHUNK_CHARACTERS
BEGINNING_CHARACTERS = 1_000


class RowReader(Protocol):
    """What turns delivered rows into records; one per delivery."""

    def read(self, row: Mapping[str, Any], /) -> UsageRecord | CostLine | Rejection:
        """Return the record in a row, or why there is none."""


class NativeReader(Protocol):
    """What turns native rows into records, as far as they are plain; one per delivery."""

    def read(self, native: NativeRows, /) -> tuple[list[Any], list[int]]:
        """Return Arrow tables of records, and the places of the rows that are left."""


@dataclass(frozen=True, slots=True)
class Target:
    """The landing table of one kind of source, and how its rows are read.

    ``constants`` are the values that all rows of a pull have, by their columns.
    """

    kind: str
    table: Table
    constants: Mapping[str, Any]
    fields: tuple[str, ...]
    new_reader: Callable[[], RowReader]
    new_native_reader: Callable[[], NativeReader] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns of landed rows, in their order."""
        return ("delivery_id", "row_number", *self.constants, *self.fields)


@dataclass(slots=True)
class Chunk:
    """Some rows of a delivery: plain ones as a binary ``COPY``, others as Python objects."""

    plain: list[bytes] = field(default_factory=list)
    plain_count: int = 0
    landed: list[tuple[Any, ...]] = field(default_factory=list)
    quarantined: list[tuple[Any, ...]] = field(default_factory=list)
    rounded_count: int = 0
    weight: int = 0

    @property
    def row_count(self) -> int:
        """Return how many rows there are."""
        return self.plain_count + len(self.landed) + len(self.quarantined)

    @property
    def is_full(self) -> bool:
        """Return whether it is time to write these rows."""
        return self.row_count >= CHUNK_ROWS or self.weight > CHUNK_CHARACTERS

    def counts(self) -> LandingReport:
        """Return the counts of these rows."""
        landed_count = self.plain_count + len(self.landed)
        counts = LandingReport(landed_count=landed_count, rounded_count=self.rounded_count)
        counts.quarantined.update(row[2] for row in self.quarantined)
        return counts


def chunks(target: Target, delivery_id: int, blocks: Iterator[Block]) -> Iterator[Chunk]:
    """Yield the rows of a delivery, a bounded number at a time."""
    reading = _Reading(target, delivery_id)
    for block in blocks:
        left = None
        if block.native is not None and reading.native is not None:
            tables, left = reading.native.read(block.native)
            for table in tables:
                reading.add_plain(table)
        for row in block.left(left):
            reading.add(*row)
            if reading.chunk.is_full:
                yield reading.take()
        if reading.chunk.is_full:
            yield reading.take()
    if reading.chunk.row_count:
        yield reading.take()


class _Reading:
    """The reading of one delivery: its readers, and the chunk that is being filled."""

    def __init__(self, target: Target, delivery_id: int) -> None:
        self._target = target
        self._delivery_id = delivery_id
        self._reader = target.new_reader()
        self._constants = tuple(target.constants.values())
        self._now = datetime.now(UTC)
        self.native = target.new_native_reader() if target.new_native_reader else None
        self.chunk = Chunk()

    def take(self) -> Chunk:
        """Return the chunk as it is, and begin another."""
        chunk, self.chunk = self.chunk, Chunk()
        return chunk

    def add_plain(self, records: Any) -> None:
        """Add records that were read natively."""
        count = records.num_rows
        columns = {name: records[name] for name in ("row_number", *self._target.fields)}
        for name, value in self._target.constants.items():
            columns[name] = repeated(value, count)
        columns["delivery_id"] = repeated(self._delivery_id, count)
        ordered = pa.table({name: columns[name] for name in self._target.columns})
        rows = binary_rows(ordered)
        self.chunk.plain.append(rows)
        self.chunk.plain_count += count
        self.chunk.weight += len(rows)

    def add(self, number: int, row: Mapping[str, Any] | Unreadable) -> None:
        """Add a row that is a Python object."""
        record = row if isinstance(row, Unreadable) else self._reader.read(row)
        if isinstance(record, (Rejection, Unreadable)):
            reason, detail, text = _unread(row, record)
            place = (self._delivery_id, number)
            self.chunk.quarantined.append((*place, reason, detail, text, self._now))
            self.chunk.weight += len(text)
            return
        self.chunk.landed.append((self._delivery_id, number, *self._constants, *record[:-1]))
        self.chunk.rounded_count += record.is_rounded
        self.chunk.weight += _weight(record)


def _unread(
    row: Mapping[str, Any] | Unreadable, refusal: Rejection | Unreadable
) -> tuple[str, str, str]:
    text = row.text if isinstance(row, Unreadable) else write_json(row)
    detail = refusal.detail
    if len(text) > MOST_KEPT_CHARACTERS:
        detail += f"; of its {len(text)} characters the beginning is kept"
        text = text[:BEGINNING_CHARACTERS]
    return str(refusal.reason), storable(detail), storable(text)


def _weight(record: UsageRecord | CostLine) -> int:
    """Return the size of the part of a record that can be large."""
    text = record.metadata if isinstance(record, UsageRecord) else record.tags
    return len(text or "")
