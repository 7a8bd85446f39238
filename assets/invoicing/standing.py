"""Invoices that stand: finalised, and not void."""

from sqlalchemy import Connection, ScalarSelect, Subquery, func, select

from models.tables import billing, ops

# Of the invoices of a contract, those that are rated and closed one after the other.
IN_ORDER = ("opening", "period")


def standing_invoices(name: str = "standing") -> Subquery:
    """Return the finalised invoices that nobody has voided, as a table of that name."""
    invoices, events = billing.invoices, billing.invoice_events
    voided = select(events.c.invoice_id).where(events.c.event == "voided")
    return select(invoices).where(invoices.c.invoice_id.not_in(voided)).subquery(name)


def voided_count() -> ScalarSelect[int]:
    """Return how many invoices are void, as a value for a statement."""
    events = billing.invoice_events.c
    return select(func.count()).where(events.event == "voided").scalar_subquery()


def voided_since(connection: Connection, build_number: int) -> str | None:
    """Return the first invoice that a build does not know to be void, if there is one.

    They are counted, and not compared by time: a void is dated when it is asked for, and is there
    once Stripe has answered. Each waits for the one before, so their ids are in the order in which
    they came to be there.
    """
    events, builds = billing.invoice_events.c, ops.builds.c
    known = select(builds.voided_count).where(builds.build_number == build_number)
    unknown: str | None = connection.execute(
        select(events.invoice_id)
        .where(events.event == "voided")
        .order_by(events.event_id)
        .offset(known.scalar_subquery())
        .limit(1)
    ).scalar()
    return unknown
