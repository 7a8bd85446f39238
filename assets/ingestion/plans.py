"""What a pull asks each kind of source for, and until when the source is complete afterwards."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import singledispatch
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from assets.ingestion.bookkeeping import Pull, SourceState
from assets.ingestion.changed_rows import ChangeScreen, version_fields
from assets.ingestion.landing import usage_target
from assets.ingestion.overlap import OverlapScreen
from connectors import cost_explorer, focus, mixpanel, postgres
from connectors.deliveries import Delivery
from connectors.object_store import LocalFolder, S3Bucket, Store, file_deliveries
from connectors.warehouse import Warehouse
from models.settings import (
    CostExplorerSource,
    FileSource,
    FocusSource,
    MixpanelSource,
    PostgresSource,
    S3Source,
    Source,
    UsageSource,
)

# Half-open, in instants. Only what is asked for by day can be asked for in part.
Window = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Request:
    """What a pull is asked for: at which instant, which part, in which workspace."""

    warehouse: Warehouse
    state: SourceState
    as_of: datetime
    read_at: datetime
    window: Window | None = None
    directory: Path = Path()


@dataclass(frozen=True, slots=True)
class Plan:
    """The deliveries of a pull, and how far they reach."""

    deliveries: Iterator[Delivery]
    complete_until: datetime | None


@singledispatch
def plan(source: Source, request: Request) -> Plan:
    """Return what a pull of a source is to land."""
    raise TypeError(f"sources of type {type(source).__name__} cannot be pulled: {request.as_of}")


@plan.register
def _(source: S3Source | FileSource, request: Request) -> Plan:
    found = file_deliveries(usage_store(source, request.directory), source.format)
    return Plan(found, _now(request))


@plan.register
def _(source: PostgresSource, request: Request) -> Plan:
    # A past as-of instant does not make the records of today come too early.
    read_at = max(request.as_of, request.read_at)
    target = usage_target(Pull("", source.name, read_at, **reading_of(source)))
    screen_of = ChangeScreen if source.on_change == "correct" else OverlapScreen
    screen = screen_of(request.warehouse, target, source.name)
    found = postgres.deliveries(postgres_table(source), request.state.cursor, screen)
    return Plan(found, _now(request))


@plan.register
def _(source: MixpanelSource, request: Request) -> Plan:
    project = mixpanel_project(source)
    today = project.today(_now(request))
    complete_until = project.start_of(today)
    reached = request.state.complete_until
    if request.window is not None:
        zone = ZoneInfo(source.project_timezone)
        first, last = _days_of(request.window, zone)
        # A window after a gap does not make the source complete until the window's end.
        is_joined = reached is None or request.window[0] <= reached
        end = min(complete_until, project.start_of(last + timedelta(days=1)))
        found = mixpanel.deliveries(project, first, min(last, today), is_history=True)
        return Plan(found, end if is_joined else None)
    first = today - timedelta(days=source.lookback_days)
    first = _reaching_back(first, source.start_date, reached and project.today(reached))
    return Plan(mixpanel.deliveries(project, first, today), complete_until)


@plan.register
def _(source: CostExplorerSource, request: Request) -> Plan:
    bill = cost_explorer.CostExplorer(source)
    today = _now(request).date()
    reached = request.state.complete_until
    if request.window is not None:
        first, last = _days_of(request.window, UTC)
        return Plan(bill.deliveries(first, min(last + timedelta(days=1), today)), None)
    first = today - timedelta(days=source.lookback_days)
    first = _reaching_back(first, source.start, reached and reached.date())
    complete_until = datetime(today.year, today.month, today.day, tzinfo=UTC)
    return Plan(bill.deliveries(first, today), complete_until)


@plan.register
def _(source: FocusSource, request: Request) -> Plan:
    store = focus_store(source, request.directory)
    found = focus.deliveries(store, source.format, manifest=source.manifest)
    return Plan(found, _now(request))


def _now(request: Request) -> datetime:
    """Return until when a source can be known: an instant to come is known to nobody."""
    return min(request.as_of, request.read_at)


def _days_of(window: Window, zone: Any) -> tuple[date, date]:
    """Return the first and the last day that a window touches."""
    last_instant = window[1] - timedelta(microseconds=1)
    return window[0].astimezone(zone).date(), last_instant.astimezone(zone).date()


def _reaching_back(first: date, start: date | None, reached: date | None) -> date:
    """Return the first day to ask for: back to where the last pull got, or to the very start."""
    if reached is not None:
        return min(first, reached)
    return first if start is None else min(first, start)


def reading_of(source: Source) -> dict[str, Any]:
    """Return how a pull reads the rows of a source, by the names of ``Pull``."""
    if not isinstance(source, UsageSource):
        return {}
    return {
        "fields": usage_fields(source),
        "timezone": source.timezone,
        "needs_ids": source.needs_ids,
    }


def usage_fields(source: UsageSource) -> dict[str, Any]:
    """Return where a source has the fields of a record; a table's key is the record's id."""
    fields: dict[str, Any] = dict(source.fields.items())
    if isinstance(source, PostgresSource) and source.key:
        fields.setdefault("id", source.key)
        if source.on_change == "correct":
            fields |= version_fields(source.key)
    return fields


def postgres_table(source: PostgresSource) -> postgres.PostgresTable:
    """Return the table or query of a source."""
    return postgres.PostgresTable(
        source=source.name,
        url=source.url.get_secret_value(),
        table=source.table,
        query=source.query,
        cursor=source.cursor,
        key=source.key,
        corrects=source.on_change == "correct",
        overlap=source.overlap,
        timezone=source.timezone,
    )


def mixpanel_project(source: MixpanelSource) -> mixpanel.MixpanelProject:
    """Return the project of a source."""
    return mixpanel.MixpanelProject(
        source=source.name,
        project_id=source.project_id,
        username=source.username,
        secret=source.secret.get_secret_value(),
        events=source.events,
        region=source.region,
        timezone=source.project_timezone,
        base_url=source.api_base,
    )


def usage_store(source: S3Source | FileSource, directory: Path) -> Store:
    """Return the bucket or folder of a source of usage."""
    if isinstance(source, S3Source):
        return S3Bucket(source.name, source.bucket, source.prefix, source)
    return LocalFolder(source.name, directory, source.path)


def focus_store(source: FocusSource, directory: Path) -> Store:
    """Return the bucket or folder of an export; a folder stands for everything below it."""
    if source.bucket:
        return S3Bucket(source.name, source.bucket, source.prefix, source)
    path = source.path or ""
    if (directory / Path(path).expanduser()).is_dir():
        path = f"{path}/**/*"
    return LocalFolder(source.name, directory, path)
