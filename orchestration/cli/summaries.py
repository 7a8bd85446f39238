"""Figures that commands print, read from the warehouse."""

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from assets.keys import source_key
from connectors.database import relation_exists
from connectors.warehouse import Warehouse

if TYPE_CHECKING:
    from orchestration.cli.session import Session
    from orchestration.running import RunOutcome

JOURNALED_IN_LAST_BUILD = """
    select
        counts.source,
        sum(counts.journaled_count)::bigint as journaled,
        sum(counts.duplicate_count)::bigint as duplicates,
        sum(counts.conflicting_count)::bigint as conflicting
    from ops.journaled_deliveries as counts
    inner join ops.parameters on counts.build_number = parameters.build_number
    group by counts.source
"""

DRAFTS = """
    select
        drafts.currency,
        count(*)::bigint as invoices,
        trim_scale(sum(drafts.total)) as total
    from rating.int_invoices as drafts
    left join billing.invoices as finalised on drafts.invoice_id = finalised.invoice_id
    where finalised.invoice_id is null
    group by drafts.currency
    order by drafts.currency
"""


def rows(warehouse: Warehouse, statement: str, **parameters: object) -> list[dict[str, Any]]:
    """Return the rows of a query, by column."""
    with warehouse.begin() as connection:
        return [dict(row) for row in connection.execute(text(statement), parameters).mappings()]


def is_built(warehouse: Warehouse, name: str) -> bool:
    """Return whether a table has been built yet."""
    with warehouse.begin() as connection:
        return relation_exists(connection, name)


def source_rows(
    session: "Session", outcome: "RunOutcome", *, has_built: bool
) -> list[dict[str, Any]]:
    """Return what a run did with each source; quarantine includes conflicting ids."""
    journaled = (
        {row["source"]: row for row in rows(session.warehouse, JOURNALED_IN_LAST_BUILD)}
        if has_built
        else {}
    )
    found = []
    for source in session.workspace.settings.sources:
        pulled = outcome.materialised(source_key(source.name)) or {}
        counts = journaled.get(source.name, {})
        is_usage = source.measures == "usage"
        landed = int(pulled.get("landed_count", 0))
        found.append(
            {
                "source": source.name,
                "measures": source.measures,
                "delivered": int(pulled.get("delivered_count", 0)),
                "journaled": int(counts.get("journaled", 0)) if is_usage else landed,
                "duplicates": int(counts.get("duplicates", 0)),
                "quarantined": int(pulled.get("quarantined_count", 0))
                + int(counts.get("conflicting", 0)),
                "problem": pulled.get("problem"),
            }
        )
    return found


def drafts_by_currency(warehouse: Warehouse) -> list[dict[str, Any]]:
    """Return number and total of the open drafts, by currency."""
    if not is_built(warehouse, "rating.int_invoices"):
        return []
    return rows(warehouse, DRAFTS)
