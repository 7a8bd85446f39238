"""Instalments that were invoiced, and that a catalog would ask for again."""

from datetime import date

from sqlalchemy import Connection, select

from assets.catalog.refusals.errors import CatalogRefused
from assets.invoicing.standing import standing_invoices
from models.catalog import Catalog
from models.contracts import Contract
from models.tables import billing


def refuse_lost_instalments(connection: Connection, catalog: Catalog) -> None:
    """Raise where instalments were invoiced on days that no commitment in instalments holds."""
    lines, standing = billing.invoice_lines, standing_invoices()
    invoiced = connection.execute(
        select(lines.c.contract_id, lines.c.period_start, standing.c.invoice_number)
        .join(standing, standing.c.invoice_id == lines.c.invoice_id)
        .where(
            lines.c.kind == "commitment",
            lines.c.invoice_line_id.contains("/instalment/"),
            lines.c.contract_id.in_(catalog.contracts),
        )
        .order_by(standing.c.invoice_sequence, lines.c.period_start)
    )
    lost = [
        f"{row.contract_id} (of {row.period_start}, {row.invoice_number})"
        for row in invoiced
        if not _has_instalments_on(catalog.contracts[row.contract_id], row.period_start)
    ]
    if lost:
        raise CatalogRefused(
            f"instalments have been invoiced of commitments that have none now: {', '.join(lost)}. "
            "What was paid would be asked for again. Their number and the amount may change, the "
            "term not so that it leaves out these days; or void the invoices first"
        )


def _has_instalments_on(contract: Contract, due_on: date) -> bool:
    for commitment in contract.commitments:
        since, until = commitment.valid_from or contract.start, commitment.valid_to or contract.end
        holds = since <= due_on and (until is None or due_on < until)
        if holds and commitment.instalments is not None:
            return True
    return False
