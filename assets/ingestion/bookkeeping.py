"""The books of ingestion: which deliveries have landed, and where the next pull resumes."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import md5
from threading import Lock
from typing import Any

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from assets.ingestion.progress import Progress, silent
from connectors.deliveries import Delivery, DeliveryFailed
from connectors.warehouse import Warehouse
from models.exact_json import storable
from models.tables import ops, raw
from models.usage import FieldPaths


@dataclass(frozen=True, slots=True)
class Pull:
    """One pull of one source: under which id, at which instant, how its rows are read."""

    pull_id: str
    source: str
    now: datetime
    fields: FieldPaths | None = None
    timezone: str = "UTC"
    progress: Progress = silent
    needs_ids: bool = False
    landed_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    _telling: Lock = field(default_factory=Lock, repr=False, compare=False)

    def tell(self, object_name: str, delivered_count: int) -> None:
        """Tell how far the pull is, from whichever thread, one at a time."""
        with self._telling:
            self.progress(object_name, delivered_count)

    @property
    def landed_on(self) -> date:
        """The UTC day under which everything this pull lands is kept."""
        return self.landed_at.date()


@dataclass(slots=True)
class LandingReport:
    """What was landed; every delivered row is in exactly one of landed and quarantined."""

    delivery_count: int = 0
    skipped_count: int = 0
    landed_count: int = 0
    rounded_count: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    delivery_ids: list[int] = field(default_factory=list)
    failures: list[DeliveryFailed] = field(default_factory=list)

    @property
    def quarantined_count(self) -> int:
        """Return how many rows could not be read."""
        return self.quarantined.total()

    @property
    def delivered_count(self) -> int:
        """Return how many rows were delivered."""
        return self.landed_count + self.quarantined_count

    def add(self, other: "LandingReport") -> None:
        """Add the counts of one more delivery."""
        self.delivery_count += other.delivery_count
        self.landed_count += other.landed_count
        self.rounded_count += other.rounded_count
        self.quarantined.update(other.quarantined)
        self.delivery_ids.extend(other.delivery_ids)


@dataclass(frozen=True, slots=True)
class SourceState:
    """Where a source's next pull resumes, and until when the source is known to be complete."""

    cursor: dict[str, Any] | None = None
    complete_until: datetime | None = None


class LandedVersions:
    """What a source has landed so far, to tell what is new.

    Of a source whose deliveries restate an object, only the latest version counts: a bill that
    returns to an earlier state is news. Its version then gets a number, as the earlier one has the
    name already.
    """

    def __init__(self, warehouse: Warehouse, source: str, *, restates: bool) -> None:
        self._restates = restates
        self._landed: set[bytes] = set()
        self._latest: dict[str, tuple[str, int]] = {}
        deliveries = raw.deliveries.c
        statement = (
            select(deliveries.object, deliveries.version)
            .where(deliveries.source == source, deliveries.replays_delivery_id.is_(None))
            .order_by(deliveries.delivery_id)
        )
        with warehouse.begin() as connection:
            for row in connection.execute(statement):
                self._remember(str(row[0]), str(row[1]))

    def new_version(self, delivery: Delivery) -> str | None:
        """Return the version to land a delivery under, or None if it says nothing new."""
        name = storable(delivery.object)
        if not self._restates:
            return None if _digest(name, delivery.version) in self._landed else delivery.version
        latest, count = self._latest.get(name, ("", 0))
        if latest == delivery.version:
            return None
        is_return = _digest(name, delivery.version) in self._landed
        return f"{delivery.version}~{count + 1}" if is_return else delivery.version

    def _remember(self, object_name: str, version: str) -> None:
        if self._restates:
            version = version.partition("~")[0]
            count = self._latest.get(object_name, ("", 0))[1]
            self._latest[object_name] = version, count + 1
        self._landed.add(_digest(object_name, version))


def _digest(object_name: str, version: str) -> bytes:
    # 16 bytes for each of perhaps a million objects, instead of their names.
    return md5(f"{object_name}\x1f{version}".encode(), usedforsecurity=False).digest()


def claim_delivery(
    connection: Connection, pull: Pull, kind: str, identity: tuple[str, str, int | None]
) -> int | None:
    """Write a delivery's row and return its id; None if another transaction has just landed it.

    ``identity`` is object, version and the delivery that is being replayed. The row comes first,
    so that whoever lands the same delivery at the same time waits here for us.
    """
    object_name, version, replays = identity
    statement = (
        insert(raw.deliveries)
        .values(
            source=pull.source,
            kind=kind,
            object=storable(object_name),
            version=version,
            replays_delivery_id=replays,
            pull_id=pull.pull_id,
            landed_at=pull.landed_at,
            delivered_count=0,
            landed_count=0,
            quarantined_count=0,
            rounded_count=0,
        )
        .on_conflict_do_nothing(index_elements=["source", "object", "version"])
        .returning(raw.deliveries.c.delivery_id)
    )
    return connection.execute(statement).scalar()


def record_counts(connection: Connection, delivery_id: int, counts: LandingReport) -> None:
    """Write the counts of a delivery that this transaction lands."""
    connection.execute(
        update(raw.deliveries)
        .where(raw.deliveries.c.delivery_id == delivery_id)
        .values(
            delivered_count=counts.delivered_count,
            landed_count=counts.landed_count,
            quarantined_count=counts.quarantined_count,
            rounded_count=counts.rounded_count,
        )
    )


def source_state(warehouse: Warehouse, source: str) -> SourceState:
    """Return the state of a source; an empty one before its first pull."""
    states = ops.source_states.c
    statement = select(states.cursor, states.complete_until).where(states.source == source)
    with warehouse.begin() as connection:
        row = connection.execute(statement).one_or_none()
    return SourceState() if row is None else SourceState(row.cursor, row.complete_until)


def save_cursor(connection: Connection, source: str, cursor: dict[str, Any]) -> None:
    """Store where the next pull of a source resumes."""
    statement = insert(ops.source_states).values(source=source, cursor=cursor)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["source"], set_={"cursor": cursor})
    )


def record_pull(
    warehouse: Warehouse,
    pull: Pull,
    times: tuple[datetime, datetime],
    report: LandingReport,
    complete_until: datetime | None,
) -> None:
    """Store the end of a pull; the watermark of a source never moves back.

    ``complete_until`` is None when the pull did not reach everything. A pull that brought nothing
    leaves no row in ``ops.pulls``.
    """
    states = ops.source_states
    with warehouse.begin() as connection:
        if complete_until is not None:
            statement = insert(states).values(source=pull.source, complete_until=complete_until)
            later = func.greatest(states.c.complete_until, complete_until)
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["source"], set_={"complete_until": later}
                )
            )
        if report.delivery_count:
            connection.execute(
                insert(ops.pulls).values(
                    pull_id=pull.pull_id,
                    source=pull.source,
                    started_at=times[0],
                    finished_at=times[1],
                    complete_until=complete_until,
                    delivery_count=report.delivery_count,
                    delivered_count=report.delivered_count,
                )
            )
