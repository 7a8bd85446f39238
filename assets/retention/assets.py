"""Retention as an asset: the days of landing that a workspace no longer keeps."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from assets.keys import DROPPED_DAYS
from assets.retention.landed_days import drop_landed_days
from assets.table_specs import table_spec
from connectors.warehouse import Warehouse
from models.tables import ops
from models.workspace import Workspace


def dropped_days(workspace: Workspace | None) -> dg.AssetsDefinition:
    """Return the asset that drops the days of landing which a workspace keeps no longer."""
    kept_days = None if workspace is None else workspace.settings.warehouse.keep_landing_days

    @dg.multi_asset(
        name="dropped_days",
        specs=[table_spec(ops.dropped_days, group="operations", skippable=True)],
    )
    def dropped(
        context: dg.AssetExecutionContext, warehouse: Warehouse
    ) -> Iterator[dg.MaterializeResult]:
        """Drop the days before the last ones that are kept, as far as they are journaled."""
        if kept_days is None:
            context.log.info("warehouse.keep_landing_days is not set: every day is kept.")
            return
        now = datetime.now(UTC)
        report = drop_landed_days(warehouse, now.date() - timedelta(days=kept_days - 1), now)
        for day in report.kept:
            context.log.warning(f"{day.day} stays: {day.reason}")
        yield dg.MaterializeResult(
            asset_key=DROPPED_DAYS,
            metadata={
                "days_dropped": len(report.dropped),
                "rows_dropped": sum(day.row_count for day in report.dropped),
                "days_kept": dg.MetadataValue.json(
                    {str(day.day): day.reason for day in report.kept}
                ),
            },
        )

    return dropped
