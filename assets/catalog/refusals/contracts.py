"""Contracts that a catalog has lost: those that go on, and those that gave something back."""

from sqlalchemy import Connection, Subquery, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on

from assets.catalog.refusals.errors import CatalogRefused
from assets.invoicing.standing import standing_invoices
from models.catalog import Catalog
from models.tables import billing
from models.tables import catalog as tables


def last_ends() -> Subquery:
    """Return every contract there ever was, with the end that the last catalog says that had it."""
    contracts, accepted = tables.contracts, tables.acceptances
    return (
        select(contracts.c.contract_id, contracts.c.end_date)
        .ext(distinct_on(contracts.c.contract_id))
        .join(accepted, contracts.c.catalog_version == accepted.c.catalog_version)
        .order_by(contracts.c.contract_id, accepted.c.acceptance_number.desc())
        .subquery("last_ends")
    )


def refuse_vanished_contracts(connection: Connection, catalog: Catalog) -> None:
    """Raise where a contract with invoices is gone, though it was to go on after the last one."""
    invoices, ends = billing.invoices, last_ends()
    invoiced_until = func.max(invoices.c.period_end)
    gone = connection.execute(
        select(ends.c.contract_id, invoiced_until.label("until"))
        .join(invoices, invoices.c.contract_id == ends.c.contract_id)
        .where(ends.c.contract_id.not_in(catalog.contracts))
        .group_by(ends.c.contract_id, ends.c.end_date)
        .having(or_(ends.c.end_date.is_(None), ends.c.end_date > invoiced_until))
        .order_by(ends.c.contract_id)
    )
    named = [f"{row.contract_id} (invoiced until {row.until})" for row in gone]
    if named:
        raise CatalogRefused(
            f"the catalog has lost contracts that are being invoiced: {', '.join(named)}. "
            "Nobody would be billed for their usage. Bring them back; one that is over, or goes on "
            "under another id, needs its `end`"
        )


def refuse_lost_ends(connection: Connection, catalog: Catalog) -> None:
    """Raise where a contract is gone whose end gave back what was paid for days after it."""
    lines, standing, ends = billing.invoice_lines, standing_invoices(), last_ends()
    given_back = connection.execute(
        select(
            ends.c.contract_id,
            ends.c.end_date,
            func.max(lines.c.period_end).label("paid_until"),
        )
        .join(
            lines,
            (lines.c.contract_id == ends.c.contract_id) & (lines.c.period_end > ends.c.end_date),
        )
        .join(standing, standing.c.invoice_id == lines.c.invoice_id)
        .where(
            lines.c.kind.in_(("fee", "discount")),
            ends.c.contract_id.not_in(catalog.contracts),
        )
        .group_by(ends.c.contract_id, ends.c.end_date)
        .order_by(ends.c.contract_id)
    )
    lost = [
        f"{row.contract_id} (ended on {row.end_date}, paid until {row.paid_until})"
        for row in given_back
    ]
    if lost:
        raise CatalogRefused(
            "the catalog has lost contracts that ended before the days that were paid in advance: "
            f"{', '.join(lost)}. What was given back would be asked for again. Bring them back, "
            "with what replaced them and their `end`"
        )
