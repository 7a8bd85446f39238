"""The catalog in the warehouse: every accepted version of the workspace's catalog files."""

from collections.abc import Iterator

import dagster as dg
from sqlalchemy import func, select

from assets.catalog.publishing import publish
from assets.keys import table_key
from assets.table_specs import FINANCE_TEAM, table_spec
from connectors.warehouse import Warehouse
from models.catalog import catalog_of
from models.tables import catalog as tables
from models.workspace import Workspace


def catalog_tables(workspace: Workspace | None) -> dg.AssetsDefinition:
    """Return the asset that publishes the catalog's files as a version."""

    @dg.multi_asset(
        name="catalog_tables",
        specs=[
            table_spec(table, group="catalog", kinds={"yaml"}, owner=FINANCE_TEAM)
            for table in tables.metadata.sorted_tables
        ],
    )
    def published(
        context: dg.AssetExecutionContext, warehouse: Warehouse
    ) -> Iterator[dg.MaterializeResult]:
        """Publish the catalog; a state that was published before adds nothing."""
        if workspace is None:
            raise dg.Failure("There is no workspace: set METERHOUSE_WORKSPACE.")
        catalog = catalog_of(workspace)
        with warehouse.begin() as connection:
            is_new = publish(connection, catalog)
            counts = {
                table.name: connection.execute(
                    select(func.count())
                    .select_from(table)
                    .where(table.c.catalog_version == catalog.version)
                ).scalar_one()
                for table in tables.metadata.sorted_tables
            }
        context.log.info(f"Catalog version {catalog.version}{' is new' if is_new else ''}")
        for table in tables.metadata.sorted_tables:
            yield dg.MaterializeResult(
                asset_key=table_key(table),
                metadata={
                    "catalog_version": catalog.version,
                    "is_new": is_new,
                    "rows_of_this_version": counts[table.name],
                },
            )

    return published
