"""One pull of one source: what it has and is not landed yet, and until when it is complete."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from assets.ingestion.bookkeeping import LandingReport, Pull, record_pull, source_state
from assets.ingestion.landing import land_costs, land_usage
from assets.ingestion.plans import Request, Window, plan, reading_of
from assets.ingestion.progress import Progress, silent
from connectors.deliveries import SourceUnavailable
from connectors.partitions import ensure_days
from connectors.warehouse import Warehouse
from models.settings import AnySource, MixpanelSource
from models.tables import raw

WAIT_SECONDS = 30
# A part of a backfill has nothing better to do than wait for what is in its way.
PART_WAIT_SECONDS = 12 * 3600


class Part(NamedTuple):
    """A half-open window of a history whose other windows may be pulled at the same time."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class PullReport:
    """What one pull brought; delivered = landed + quarantined."""

    source: str
    measures: str
    pull_id: str
    started_at: datetime
    finished_at: datetime
    complete_until: datetime | None
    delivery_count: int
    skipped_count: int
    delivered_count: int
    landed_count: int
    quarantined_count: int
    rounded_count: int
    quarantined_by_reason: Mapping[str, int]
    delivery_ids: tuple[int, ...]


def pull(
    source: AnySource,
    warehouse: Warehouse,
    as_of: datetime,
    window: Window | None = None,
    progress: Progress = silent,
    directory: Path = Path(),
) -> PullReport:
    """Land what a source has and is not landed yet.

    Each delivery is a transaction of its own, so an interrupted pull is resumed by the next one.
    ``directory`` is the workspace, to which paths of files are relative. A source that cannot be
    read to its end raises ``SourceUnavailable``; what came before is kept, the watermark stays.

    A ``Part`` is pulled beside others of the same history: of windows there may be several at
    once, a whole source is waited for, and the watermark is left to a pull that is no part.
    """
    started_at = datetime.now(UTC)
    # A past as-of instant does not make the records of today come too early.
    read_at = max(as_of, started_at)
    with warehouse.locked(*_turn(source, window)):
        state = source_state(warehouse, source.name)
        planned = plan(source, Request(warehouse, state, as_of, started_at, window, directory))
        this = Pull(uuid4().hex, source.name, read_at, progress=progress, **reading_of(source))
        land = land_usage if source.measures == "usage" else land_costs
        report = LandingReport()
        reached: datetime | None = None
        try:
            ensure_days(warehouse, raw.usage_records, this.landed_on)
            # What breaks must leave nothing open at the source.
            with closing(planned.deliveries) as deliveries:  # type: ignore[type-var]
                land(warehouse, this, deliveries, report)
            is_whole = not report.failures and not isinstance(window, Part)
            reached = planned.complete_until if is_whole else None
        except SourceUnavailable as problem:
            problem.landed = report
            raise
        finally:
            finished_at = datetime.now(UTC)
            record_pull(warehouse, this, (started_at, finished_at), report, reached)
    if report.failures:
        raise combined(report)
    return PullReport(
        source=source.name,
        measures=source.measures,
        pull_id=this.pull_id,
        started_at=started_at,
        finished_at=finished_at,
        complete_until=reached or state.complete_until,
        delivery_count=report.delivery_count,
        skipped_count=report.skipped_count,
        delivered_count=report.delivered_count,
        landed_count=report.landed_count,
        quarantined_count=report.quarantined_count,
        rounded_count=report.rounded_count,
        quarantined_by_reason=dict(report.quarantined),
        delivery_ids=tuple(report.delivery_ids),
    )


def has_days(source: AnySource) -> bool:
    """Return whether usage can be asked for by day, rather than as it was stored."""
    return isinstance(source, MixpanelSource)


def _turn(source: AnySource, window: Window | None) -> tuple[str, float]:
    """Return the lock that a pull holds, and for how many seconds it waits for it."""
    name = f"pull {source.name}"
    if not isinstance(window, Part):
        return name, WAIT_SECONDS
    if has_days(source):
        name += f" {window.start.isoformat()} {window.end.isoformat()}"
    return name, PART_WAIT_SECONDS


def combined(report: LandingReport) -> SourceUnavailable:
    """Return the failures of single deliveries as one; the others have landed."""
    first, *others = report.failures
    what = first.what if not others else f"{first.what} (and {len(others)} more like it)"
    failure = SourceUnavailable(first.source, what, first.remedy)
    failure.landed = report
    return failure
