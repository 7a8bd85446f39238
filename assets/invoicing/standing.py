"""Invoices that stand: finalised, and not void."""

from sqlalchemy import Subquery, select

from models.tables import billing

# Of the invoices of a contract, those that are rated and closed one after the other.
IN_ORDER = ("opening", "period")


def standing_invoices(name: str = "standing") -> Subquery:
    """Return the finalised invoices that nobody has voided, as a table of that name."""
    invoices, events = billing.invoices, billing.invoice_events
    voided = select(events.c.invoice_id).where(events.c.event == "voided")
    return select(invoices).where(invoices.c.invoice_id.not_in(voided)).subquery(name)
