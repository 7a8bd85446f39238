"""Landing: each delivery of a source goes into ``raw`` once, in one transaction with its counts.

A crash leaves whole deliveries or nothing: the next pull lands what is missing and skips the rest.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from assets.ingestion.bookkeeping import (
    LandedVersions,
    LandingReport,
    Pull,
    claim_delivery,
    record_counts,
    save_cursor,
)
from assets.ingestion.chunks import Chunk, Target, chunks
from assets.ingestion.in_flight import InFlight
from assets.ingestion.plain_rows import PlainRows
from connectors.copying import copy_binary
from connectors.deliveries import Block, Delivery, DeliveryFailed
from connectors.partitions import partition_name
from connectors.read_ahead import read_ahead
from connectors.warehouse import Warehouse
from models.cost import CostLine, CostReader
from models.tables import raw
from models.usage import UsageReader, UsageRecord

QUARANTINE_COLUMNS = (
    "delivery_id",
    "row_number",
    "reason",
    "detail",
    "record",
    "quarantined_at",
)


def land_usage(
    warehouse: Warehouse, pull: Pull, deliveries: Iterable[Delivery], report: LandingReport
) -> None:
    """Land usage deliveries, each in its own transaction; versions already landed are skipped.

    Files land several at a time, with ids in the order in which they are listed. ``report`` is
    added to as they land, so that it tells the truth when a source fails half-way.
    """
    landed = LandedVersions(warehouse, pull.source, restates=False)
    _Landing(warehouse, pull, usage_target(pull), report).land(landed, deliveries)


def land_costs(
    warehouse: Warehouse, pull: Pull, deliveries: Iterable[Delivery], report: LandingReport
) -> None:
    """Land cost deliveries; an object that says again what it said last is skipped."""
    landed = LandedVersions(warehouse, pull.source, restates=True)
    _Landing(warehouse, pull, cost_target(pull), report).land(landed, deliveries)


def usage_target(pull: Pull) -> Target:
    """Return where and how usage lands."""
    zone = ZoneInfo(pull.timezone)
    return Target(
        "usage",
        raw.usage_records,
        {"landed_on": pull.landed_on},
        UsageRecord._fields[:-1],
        lambda: UsageReader(pull.source, pull.fields, zone, pull.now, needs_ids=pull.needs_ids),
        lambda: PlainRows(pull.source, pull.fields, zone, pull.now),
    )


def cost_target(pull: Pull) -> Target:
    """Return where and how cost lines land."""
    return Target(
        "cost",
        raw.cost_lines,
        {"source": pull.source},
        CostLine._fields[:-1],
        lambda: CostReader(pull.now),
    )


class _Landing:
    """The landing of one pull's deliveries."""

    def __init__(
        self, warehouse: Warehouse, pull: Pull, target: Target, report: LandingReport
    ) -> None:
        self._warehouse = warehouse
        self._pull = pull
        self._target = target
        self._report = report
        self._in_flight = InFlight(self._settle)
        self._previous: Future[Any] | None = None

    def land(self, landed: LandedVersions, deliveries: Iterable[Delivery]) -> None:
        """Land what is new; what carries a cursor, or comes row by row, one after the other."""
        with self._in_flight:
            for delivery in deliveries:
                version = landed.new_version(delivery)
                is_alone = delivery.blocks is None or delivery.cursor is not None
                if version is not None:
                    self._in_flight.make_room(alone=is_alone)
                if version is None or not self._start(delivery, version, alone=is_alone):
                    self._report.skipped_count += 1
        self._report.delivery_ids.sort()

    def _start(self, delivery: Delivery, version: str, *, alone: bool) -> bool:
        """Claim a delivery and land it; say whether it is new. Ids follow the listing."""
        with ExitStack() as stack:
            connection = stack.enter_context(self._warehouse.begin())
            identity = (delivery.object, version, None)
            delivery_id = claim_delivery(connection, self._pull, self._target.kind, identity)
            if delivery_id is None:
                return False
            transaction = stack.pop_all()
        previous = self._previous
        self._previous = self._in_flight.run(
            lambda: self._land_one(transaction, connection, delivery, delivery_id, previous),
            alone=alone,
        )
        return True

    def _land_one(
        self,
        transaction: ExitStack,
        connection: Connection,
        delivery: Delivery,
        delivery_id: int,
        previous: Future[Any] | None,
    ) -> tuple[str, LandingReport]:
        with transaction:
            write = _Writing(
                self._warehouse, connection, self._pull, self._target, self._in_flight.check
            )
            made = self._chunks(transaction, delivery, delivery_id)
            counts = write.all(delivery.object, delivery_id, made)
            if delivery.cursor is not None:
                save_cursor(connection, self._pull.source, delivery.cursor)
            if previous is not None:
                # Of two deliveries of an id the first stands: a build between the two commits must
                # not see the second one alone.
                wait([previous])
        return delivery.object, counts

    def _chunks(self, threads: ExitStack, delivery: Delivery, delivery_id: int) -> Iterator[Chunk]:
        blocks = delivery.in_blocks()
        if delivery.blocks is None:
            return chunks(self._target, delivery_id, blocks)
        # Decompressing and splitting, reading, and writing overlap.
        read = threads.enter_context(read_ahead(blocks))
        return threads.enter_context(read_ahead(chunks(self._target, delivery_id, read)))

    def _settle(self, landed: Future[tuple[str, LandingReport]]) -> None:
        try:
            object_name, counts = landed.result()
        except DeliveryFailed as failure:
            self._report.failures.append(failure)
            return
        self._report.add(counts)
        self._pull.tell(object_name, self._report.delivered_count)


def land_rows(
    warehouse: Warehouse,
    connection: Connection,
    pull: Pull,
    target: Target,
    identity: tuple[str, str, int | None],
    blocks: Callable[[], Iterator[Block]],
) -> LandingReport | None:
    """Land the rows of one delivery within the given transaction, and return its counts.

    ``identity`` is object, version and the delivery being replayed. None: it had landed already.
    """
    delivery_id = claim_delivery(connection, pull, target.kind, identity)
    if delivery_id is None:
        return None
    made = chunks(target, delivery_id, blocks())
    return _Writing(warehouse, connection, pull, target).all(identity[0], delivery_id, made)


@dataclass(frozen=True, slots=True)
class _Writing:
    """The writing of deliveries within a transaction."""

    warehouse: Warehouse
    connection: Connection
    pull: Pull
    target: Target
    check: Callable[[], None] = lambda: None

    def all(self, object_name: str, delivery_id: int, made: Iterator[Chunk]) -> LandingReport:
        """Write the chunks of a delivery and their counts."""
        counts = LandingReport(delivery_count=1, delivery_ids=[delivery_id])
        for chunk in made:
            self.check()
            self._chunk(chunk)
            counts.add(chunk.counts())
            self.pull.tell(object_name, counts.delivered_count)
        record_counts(self.connection, delivery_id, counts)
        return counts

    def _chunk(self, chunk: Chunk) -> None:
        copy, table, columns = self.warehouse.copy_rows, self.target.table, self.target.columns
        for rows in chunk.plain:
            # Straight into the day's partition: the server need not look for it row by row.
            partition = partition_name(table, self.pull.landed_on)
            copy_binary(self.connection, partition, columns, rows)
        if chunk.landed:
            copy(self.connection, table, columns, chunk.landed)
        if chunk.quarantined:
            copy(self.connection, raw.quarantine, QUARANTINE_COLUMNS, chunk.quarantined)
