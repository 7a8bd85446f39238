"""Approving and voiding finalised invoices."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, func, select

from assets.invoicing.closing import approve_invoice, record_event
from connectors.warehouse import Warehouse
from models.tables import billing


class InvoiceStateError(ValueError):
    """An invoice is not in a state that allows what was asked."""


@dataclass(frozen=True, slots=True)
class InvoiceState:
    """What has happened to a finalised invoice so far."""

    invoice_id: str
    invoice_number: str
    events: frozenset[str]
    stripe_invoice_id: str | None


def waiting_for_approval(warehouse: Warehouse) -> list[str]:
    """Return the ids of finalised invoices that nobody has approved or voided, oldest first."""
    invoices, events = billing.invoices, billing.invoice_events
    decided = select(events.c.invoice_id).where(events.c.event.in_(("approved", "voided")))
    with warehouse.begin() as connection:
        return list(
            connection.execute(
                select(invoices.c.invoice_id)
                .where(invoices.c.invoice_id.not_in(decided))
                .order_by(invoices.c.invoice_sequence)
            ).scalars()
        )


def approve(
    warehouse: Warehouse, references: Sequence[str], actor: str, now: datetime
) -> list[str]:
    """Approve finalised invoices, named by id or number, and return the ids newly approved.

    All or none: raises ``InvoiceStateError`` for one that is not finalised or was voided. One
    that is approved already stays as it is.
    """
    approved = []
    with warehouse.begin() as connection:
        for reference in references:
            state = invoice_state(connection, reference)
            if "voided" in state.events:
                raise InvoiceStateError(f"invoice {reference} is void: it cannot be approved")
            if "approved" not in state.events:
                approve_invoice(connection, state.invoice_id, actor, now)
                approved.append(state.invoice_id)
    return approved


def record_void(warehouse: Warehouse, reference: str, actor: str, now: datetime) -> InvoiceState:
    """Void an invoice on our side and return what it was before; its period opens again.

    What was posted must be voided in Stripe first; raises ``InvoiceStateError`` for an unknown one.
    """
    with warehouse.begin() as connection:
        state = invoice_state(connection, reference)
        if "voided" not in state.events:
            last = connection.execute(select(func.max(billing.invoices.c.invoice_sequence)))
            record_event(
                connection,
                state.invoice_id,
                "voided",
                actor,
                now,
                {"invoice_sequence": last.scalar_one()},
            )
    return state


def invoice_state(connection: Connection, reference: str) -> InvoiceState:
    """Return the state of the finalised invoice with an id or number."""
    invoices, events, outbox = billing.invoices, billing.invoice_events, billing.outbox
    invoice: Row | None = connection.execute(
        select(invoices.c.invoice_id, invoices.c.invoice_number).where(
            (invoices.c.invoice_id == reference) | (invoices.c.invoice_number == reference)
        )
    ).one_or_none()
    if invoice is None:
        raise InvoiceStateError(
            f"there is no finalised invoice {reference}; `meterhouse invoices` lists them"
        )
    # What is decided on this state is written while nobody else decides. The row itself cannot be
    # locked: nobody may change it.
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(invoice.invoice_id))))
    happened: Iterable[str] = connection.execute(
        select(events.c.event).where(events.c.invoice_id == invoice.invoice_id)
    ).scalars()
    stripe_invoice_id = connection.execute(
        select(outbox.c.stripe_invoice_id).where(outbox.c.invoice_id == invoice.invoice_id)
    ).scalar()
    return InvoiceState(
        invoice.invoice_id, invoice.invoice_number, frozenset(happened), stripe_invoice_id
    )
