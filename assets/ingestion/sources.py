"""One asset per configured source: pulling it lands what is new."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg

from assets.ingestion.bookkeeping import LandingReport
from assets.ingestion.pulling import PART_WAIT_SECONDS, Part, PullReport, has_days, pull
from assets.ingestion.raw_tables import open_rows
from assets.keys import USAGE_DAYS, source_key
from assets.partitions import Clock, window_of
from assets.table_specs import DATA_TEAM
from connectors.deliveries import SourceUnavailable
from connectors.warehouse import Warehouse
from models.settings import AnySource
from models.workspace import Workspace

# A month: what goes on side by side, and is begun anew where it fails.
DAYS_PER_RUN = 31
BACKFILL_TAG = "dagster/backfill"
READABLE_CHECK = "is_read_to_its_end"
SECONDS_BETWEEN_NEWS = 1.0
COUNTS = (
    "delivery_count",
    "skipped_count",
    "delivered_count",
    "landed_count",
    "quarantined_count",
    "rounded_count",
)
KINDS = {
    "s3": {"s3"},
    "file": {"file"},
    "postgres": {"postgres"},
    "mixpanel": {"mixpanel"},
    "aws_cost_explorer": {"aws"},
    "focus": {"file"},
}


def source_assets(
    workspace: Workspace | None, days: dg.DailyPartitionsDefinition
) -> list[dg.AssetsDefinition]:
    """Return an asset for each source of a workspace, and one for days of usage pulled again."""
    if workspace is None:
        return []
    assets = [source_asset(workspace, source) for source in workspace.settings.sources]
    if any(source.measures == "usage" for source in workspace.settings.sources):
        assets.append(usage_days_asset(workspace, days))
    return assets


def source_asset(workspace: Workspace, source: AnySource) -> dg.AssetsDefinition:
    """Return the asset that pulls one source.

    A source that cannot be read fails its check, not the run: what the others deliver goes on.
    """
    key = source_key(source.name)

    @dg.asset(
        key=key,
        group_name="sources",
        kinds=KINDS[source.type],
        owners=[DATA_TEAM],
        tags={"measures": source.measures},
        description=(
            f"The {source.measures} source `{source.name}` of type {source.type}. Pulling it lands "
            "each delivery that is not landed yet, once; a re-run adds nothing."
        ),
        check_specs=[
            dg.AssetCheckSpec(
                READABLE_CHECK,
                asset=key,
                description="The source answered, and everything it had was read.",
            )
        ],
    )
    def pulled(
        context: dg.AssetExecutionContext, warehouse: Warehouse, clock: Clock
    ) -> Iterator[Any]:
        try:
            report = pull(
                source,
                warehouse,
                clock.as_of(context.run),
                window_of(context.run),
                progress=news(context, source.name),
                directory=workspace.directory,
            )
        except SourceUnavailable as problem:
            context.log.error(f"{source.name}: {problem}")
            metadata = counts_of(problem.landed) | {"problem": str(problem)}
            yield dg.MaterializeResult(asset_key=key, metadata=metadata)
            yield readable(key, str(problem))
            return
        metadata = pull_metadata(report) | open_rows(warehouse, source.name)
        yield dg.MaterializeResult(asset_key=key, metadata=metadata)
        yield readable(key, None)

    return pulled


def usage_days_asset(
    workspace: Workspace, days: dg.DailyPartitionsDefinition
) -> dg.AssetsDefinition:
    """Return the asset that pulls days of usage again, from every source that has days."""

    @dg.asset(
        key=USAGE_DAYS,
        group_name="sources",
        kinds={"python"},
        owners=[DATA_TEAM],
        partitions_def=days,
        # A backfill of more days is one of several runs, which go on side by side.
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=DAYS_PER_RUN),
        description=(
            "Usage of UTC days, pulled again from every usage source: for the history of a new "
            "source, and for days in doubt. Sources without days are read whole, once in a "
            "backfill. What has landed already is skipped, so pulling a day twice adds nothing."
        ),
    )
    def usage_of_days(
        context: dg.AssetExecutionContext, warehouse: Warehouse, clock: Clock
    ) -> dg.MaterializeResult:
        days_of = PulledDays(context, warehouse, clock.as_of(context.run), workspace.directory)
        reports = [
            days_of.pulled(source) if has_days(source) else days_of.pulled_once(source)
            for source in workspace.settings.sources
            if source.measures == "usage"
        ]
        return dg.MaterializeResult(
            metadata={
                "delivered_count": sum(report.delivered_count for report in reports if report),
                "landed_count": sum(report.landed_count for report in reports if report),
            }
        )

    return usage_of_days


@dataclass(frozen=True, slots=True)
class PulledDays:
    """The days that one run pulls; a backfill is made of several such runs, at the same time."""

    context: dg.AssetExecutionContext
    warehouse: Warehouse
    as_of: datetime
    directory: Path

    def pulled(self, source: AnySource) -> PullReport:
        """Pull the days of this run from a source, or the whole of one without days."""
        window = self.context.partition_time_window
        return pull(
            source,
            self.warehouse,
            self.as_of,
            Part(window.start, window.end),
            progress=news(self.context, source.name),
            directory=self.directory,
        )

    def pulled_once(self, source: AnySource) -> PullReport | None:
        """Pull a whole source; None where that was done since the backfill began."""
        key = source_key(source.name)
        with self.warehouse.locked(f"backfill {source.name}", PART_WAIT_SECONDS):
            began = self._backfill_began()
            if began is not None and last_pulled(self.context.instance, key) >= began:
                return None
            report = self.pulled(source)
            # So that the other runs know, and whoever looks at the source.
            self.context.log_event(
                dg.AssetMaterialization(asset_key=key, metadata=pull_metadata(report))
            )
            return report

    def _backfill_began(self) -> float | None:
        tag = self.context.run.tags.get(BACKFILL_TAG)
        if tag is None:
            return None
        first = self.context.instance.get_run_records(
            dg.RunsFilter(tags={BACKFILL_TAG: tag}), limit=1, ascending=True
        )
        return first[0].create_timestamp.timestamp() if first else None


def last_pulled(instance: dg.DagsterInstance, key: dg.AssetKey) -> float:
    """Return when a source was last pulled to its end, in seconds; 0 where it never was."""
    event = instance.get_latest_materialization_event(key)
    materialised = event.asset_materialization if event is not None else None
    if event is None or materialised is None or "problem" in materialised.metadata:
        return 0
    return event.timestamp


def readable(key: dg.AssetKey, problem: str | None) -> dg.AssetCheckResult:
    """Return whether a source could be read to its end."""
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=READABLE_CHECK,
        passed=problem is None,
        severity=dg.AssetCheckSeverity.ERROR,
        description=problem,
    )


def pull_metadata(report: PullReport) -> dict[str, Any]:
    """Return what a pull brought, as metadata: counts only, no rows."""
    metadata = counts_of(report) | {"dagster/partition_row_count": report.landed_count}
    if report.quarantined_by_reason:
        metadata["quarantined_by_reason"] = dg.MetadataValue.json(
            dict(report.quarantined_by_reason)
        )
    if report.complete_until is not None:
        metadata["complete_until"] = dg.MetadataValue.timestamp(report.complete_until)
    return metadata


def counts_of(report: PullReport | LandingReport | None) -> dict[str, Any]:
    """Return what has landed, of a pull that broke off, too; nothing where it had not begun."""
    return {} if report is None else {name: getattr(report, name) for name in COUNTS}


def news(context: dg.AssetExecutionContext, source: str) -> Callable[[str, int], None]:
    """Return a progress callback that writes to the run's log now and then."""
    last = time.monotonic()

    def tell(object_name: str, delivered_count: int, /) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_BETWEEN_NEWS:
            last = time.monotonic()
            context.log.info(f"{source}: {delivered_count:,} rows, now {object_name}")

    return tell
