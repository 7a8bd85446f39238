"""Seats that were paid in advance with a discount, and that a catalog would settle without it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Text, cast, exists, select

from assets.catalog.refusals.errors import CatalogRefused
from assets.invoicing.standing import IN_ORDER, standing_invoices
from models.catalog import Catalog
from models.catalog_rows import catalog_rows
from models.tables import billing
from models.tables import catalog as tables
from models.tables.common import same


def refuse_lowered_discounts(connection: Connection, catalog: Catalog) -> None:
    """Raise where a percentage off seats that are paid is lowered before they are settled."""
    taken = _taken_off_seats(connection, catalog)
    if not taken:
        return
    now = {
        (row["contract_id"], row["charge_id"], row["discount_id"]): row
        for table, rows in catalog_rows(catalog)
        if table is tables.contract_discounts
        for row in rows
    }
    lowered = [
        f"{row.contract_id} ({row.percent.normalize():f} % off {row.charge_id} until "
        f"{row.period_end}, {row.invoice_number})"
        for row in taken
        if not _still_holds(row, now.get((row.contract_id, row.charge_id, row.discount_id)))
    ]
    if lowered:
        raise CatalogRefused(
            "percentages off seats that were paid in advance are lowered before their period is "
            f"over: {', '.join(lowered)}. More would be given back than was paid. Let them hold "
            "until then, and end with `to`; the next one may begin on the same day"
        )


def _taken_off_seats(connection: Connection, catalog: Catalog) -> Sequence[Row[Any]]:
    """Return percentages off seats that were paid in advance, whose period has no invoice yet."""
    lines, discounts = billing.invoice_lines, tables.contract_discounts
    standing, settling = standing_invoices(), standing_invoices("settling")
    is_settled = exists().where(
        settling.c.kind == "period",
        settling.c.contract_id == lines.c.contract_id,
        settling.c.period_start <= lines.c.period_start,
        settling.c.period_end > lines.c.period_start,
    )
    return connection.execute(
        select(
            lines.c.contract_id,
            lines.c.charge_id,
            lines.c.period_start,
            lines.c.period_end,
            standing.c.invoice_number,
            discounts.c.discount_id,
            discounts.c.percent,
            discounts.c.valid_from,
            discounts.c.valid_to,
            discounts.c.max_periods,
        )
        .join(
            standing,
            (standing.c.invoice_id == lines.c.invoice_id)
            & ((standing.c.period_end <= lines.c.period_start) | (standing.c.kind == "opening")),
        )
        .join(
            discounts,
            same(discounts, standing, "catalog_version")
            & same(discounts, lines, "contract_id", "charge_id")
            & (cast(discounts.c.discount_number, Text) == lines.c.reference_id),
        )
        .where(
            standing.c.kind.in_(IN_ORDER),
            lines.c.kind == "discount",
            lines.c.dimension_id.is_not(None),
            discounts.c.percent.is_not(None),
            lines.c.contract_id.in_(catalog.contracts),
            ~is_settled,
        )
        .order_by(lines.c.contract_id, lines.c.charge_id, discounts.c.discount_number)
    ).all()


def _still_holds(taken: Row[Any], now: dict[str, Any] | None) -> bool:
    """Return whether a discount takes no less of the days for which it was taken off."""
    if now is None or now["percent"] is None or now["percent"] < taken.percent:
        return False
    until = min(taken.period_end, taken.valid_to or taken.period_end)
    periods = taken.max_periods, now["max_periods"]
    return (
        now["valid_from"] <= max(taken.period_start, taken.valid_from)
        and (now["valid_to"] is None or now["valid_to"] >= until)
        and (periods[1] is None or (periods[0] is not None and periods[1] >= periods[0]))
    )
