"""What the next build is about; where nothing has changed there is no next build."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from sqlalchemy import Connection

from assets.catalog.publishing import publish
from assets.keys import BUILDS, PARAMETERS, table_key
from assets.partitions import Clock
from assets.table_specs import table_spec
from assets.transform.builds import BuildInputs, begin_build, build_inputs, is_up_to_date
from connectors.dbt import project_hash
from connectors.warehouse import Warehouse
from models.catalog import catalog_of
from models.tables import catalog, ops, raw
from models.workspace import Workspace

BUILD_LOCK = "meterhouse build"
# Longer than any build should take; a run of the scheduler has nothing better to do than wait.
BUILD_WAIT_SECONDS = 900
INPUTS = [
    table_key(table)
    for table in (raw.deliveries, raw.usage_records, raw.cost_lines, catalog.versions)
]


def parameters(workspace: Workspace | None) -> dg.AssetsDefinition:
    """Return the asset that begins a build, or skips all that comes after it."""

    @dg.multi_asset(
        name="parameters",
        specs=[
            table_spec(
                ops.parameters,
                group="operations",
                deps=INPUTS,
                skippable=True,
            ),
            table_spec(ops.builds, group="operations", deps=INPUTS, skippable=True),
        ],
    )
    def begun(
        context: dg.AssetExecutionContext, warehouse: Warehouse, clock: Clock
    ) -> Iterator[dg.MaterializeResult]:
        """Number the build and set what its models read; skipped while nothing has changed."""
        if workspace is None:
            raise dg.Failure("There is no workspace: set METERHOUSE_WORKSPACE.")
        as_of = clock.as_of(context.run)
        with warehouse.locked(BUILD_LOCK, BUILD_WAIT_SECONDS), warehouse.begin() as connection:
            inputs = current_inputs(connection, workspace, as_of)
            if is_up_to_date(connection, inputs):
                context.log.info("Nothing has changed since the last build: no model is run.")
                return
            build_number = begin_build(connection, inputs, datetime.now(UTC))
        metadata: dict[str, Any] = {
            "build_number": build_number,
            "catalog_version": inputs.catalog_version,
            "as_of": dg.MetadataValue.timestamp(inputs.as_of),
        }
        yield dg.MaterializeResult(
            asset_key=PARAMETERS, metadata={**metadata, "dagster/row_count": 1}
        )
        yield dg.MaterializeResult(asset_key=BUILDS, metadata=metadata)

    return begun


def current_inputs(connection: Connection, workspace: Workspace, as_of: datetime) -> BuildInputs:
    """Return the inputs a build would have now; publishes the catalog where it has changed."""
    current = catalog_of(workspace)
    publish(connection, current)
    return build_inputs(
        connection, current.version, as_of, workspace.settings.billing.late_usage, project_hash()
    )
