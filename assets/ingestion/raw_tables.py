"""The landing tables: what all sources together have delivered so far."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from sqlalchemy import func, select

from assets.ingestion.refused import count_refused
from assets.ingestion.replay import Choice, count_quarantine
from assets.keys import source_key, table_key
from assets.table_specs import table_spec
from connectors.warehouse import Warehouse
from models.tables import ops, raw
from models.workspace import Workspace

TABLES = (
    raw.deliveries,
    raw.usage_records,
    raw.refused_records,
    raw.cost_lines,
    raw.quarantine,
    raw.quarantine_resolutions,
)
BOOKS = (ops.pulls, ops.source_states)


def raw_tables(workspace: Workspace | None) -> dg.AssetsDefinition:
    """Return the asset of the landing tables, downstream of every source."""
    sources = () if workspace is None else workspace.settings.sources
    deps = [source_key(source.name) for source in sources]

    @dg.multi_asset(
        name="raw_tables",
        specs=[
            *(table_spec(table, group="landing", deps=deps) for table in TABLES),
            *(table_spec(table, group="operations", deps=deps) for table in BOOKS),
        ],
    )
    def landed(warehouse: Warehouse) -> Iterator[dg.MaterializeResult]:
        """Report the landing tables; the rows were written by the sources' pulls."""
        counts = row_counts(warehouse)
        for table in (*TABLES, *BOOKS):
            yield dg.MaterializeResult(asset_key=table_key(table), metadata=counts[table.fullname])

    return landed


def row_counts(warehouse: Warehouse) -> dict[str, dict[str, Any]]:
    """Return metadata per table. The large tables are counted by the books of their deliveries."""
    columns = raw.deliveries.c
    with warehouse.begin() as connection:
        landed = {
            row.kind: row
            for row in connection.execute(
                select(
                    columns.kind,
                    func.count().label("deliveries"),
                    func.sum(columns.delivered_count).label("delivered"),
                    func.sum(columns.landed_count).label("landed"),
                    func.sum(columns.quarantined_count).label("quarantined"),
                    func.max(columns.landed_at).label("last_landed_at"),
                ).group_by(columns.kind)
            )
        }
        small = {
            table.fullname: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (raw.refused_records, raw.quarantine_resolutions, *BOOKS)
        }
    total = {
        name: sum(int(getattr(row, name)) for row in landed.values())
        for name in ("deliveries", "delivered", "quarantined")
    }
    counts: dict[str, dict[str, Any]] = {
        name: {"dagster/row_count": count} for name, count in small.items()
    }
    counts["raw.deliveries"] = {
        "dagster/row_count": total["deliveries"],
        "delivered_count": total["delivered"],
        "quarantined_count": total["quarantined"],
    }
    counts["raw.quarantine"] = {"dagster/row_count": total["quarantined"], **open_rows(warehouse)}
    for kind, table in (("usage", raw.usage_records), ("cost", raw.cost_lines)):
        row = landed.get(kind)
        counts[table.fullname] = {"dagster/row_count": int(row.landed) if row else 0}
        if row:
            counts[table.fullname]["last_landed_at"] = dg.MetadataValue.timestamp(
                row.last_landed_at
            )
    return counts


def open_rows(warehouse: Warehouse, source: str | None = None) -> dict[str, Any]:
    """Return metadata of what waits in quarantine: rows nobody has replayed or waived.

    Those that the journal refused in its last build are among them.
    """
    choice = Choice(source=source)
    found = [*count_quarantine(warehouse, choice), *count_refused(warehouse, choice)]
    if not found:
        return {"open_rows": 0}
    records = [
        dg.TableRecord({"source": name, "reason": reason, "rows": rows})
        for name, reason, rows in found
    ]
    return {
        "open_rows": sum(rows for _, _, rows in found),
        "open_rows_by_reason": dg.MetadataValue.table(records),
    }
