"""Voiding: an invoice ends in Stripe first, and then in our own books."""

from datetime import datetime

from sqlalchemy import select

from assets.delivery.outbox import (
    PostingError,
    first_tried_for_customer,
    idempotency_key,
    note_status,
    read_bill,
)
from assets.delivery.posting import CLOCK_DIFFERENCE, NOT_FOUND, posting_lock, seconds
from assets.invoicing.approval import document_state, note_void, voidable
from connectors.stripe_invoices import StripeInvoices
from connectors.stripe_records import StripeInvoice, StripeRefused
from connectors.warehouse import Warehouse
from models.tables import billing


def void_invoice(
    warehouse: Warehouse, stripe: StripeInvoices, reference: str, actor: str, now: datetime
) -> str | None:
    """Void an invoice, named by id or number, in Stripe and here; return Stripe's id, if any.

    All that is on a document with it is void, too. A draft left by an interrupted posting is
    deleted. One that is paid, or a part of it, is refused: it needs a credit note. Nobody can post
    the invoice in between, nor finalise one that spends of its credit: what is void in Stripe is
    void here.
    """
    with warehouse.begin() as connection:
        invoice_id = document_state(connection, reference).document_id
    with warehouse.locked(posting_lock(invoice_id)), warehouse.begin() as connection:
        state = voidable(connection, invoice_id)
        ended = void_in_stripe(warehouse, stripe, invoice_id, now)
        note_void(connection, state, actor, now)
    return ended


def void_in_stripe(
    warehouse: Warehouse, stripe: StripeInvoices, invoice_id: str, now: datetime
) -> str | None:
    """End an invoice in Stripe, where it may be there; the caller holds its lock."""
    found = find_in_stripe(warehouse, stripe, invoice_id)
    if found is None:
        return None
    identifier = found.stripe_invoice_id
    if found.status == "draft":
        stripe.delete_draft(identifier)
        return identifier
    if found.status != "void":
        if found.status == "paid" or found.amount_paid > 0:
            extent = "paid" if found.status == "paid" else "paid in part"
            raise PostingError(
                f"invoice {invoice_id} is {extent} in Stripe ({identifier}): only a credit note "
                "can undo it"
            )
        # What is void is not voided again, so a refusal of earlier need not be repeated.
        step = f"void/{identifier}"
        found = stripe.void(identifier, idempotency_key(invoice_id, step, seconds(now)))
    with warehouse.begin() as connection:
        note_status(connection, invoice_id, found, now)
    return identifier


def find_in_stripe(
    warehouse: Warehouse, stripe: StripeInvoices, invoice_id: str
) -> StripeInvoice | None:
    """Return the invoice in Stripe, as the outbox names it or as an interrupted posting left it."""
    outbox, made = billing.outbox, billing.stripe_customers
    with warehouse.begin() as connection:
        row = connection.execute(
            select(outbox).where(outbox.c.invoice_id == invoice_id)
        ).one_or_none()
        if row is None or row.first_tried_at is None:
            return None
        customer = read_bill(connection, invoice_id).customer
        since = first_tried_for_customer(connection, customer.customer_id) or row.first_tried_at
        known = connection.execute(
            select(made.c.stripe_customer_id).where(made.c.customer_id == customer.customer_id)
        ).scalar()
    if row.stripe_invoice_id is not None:
        return retrieved(stripe, row.stripe_invoice_id)
    stripe_customer = customer.stripe_customer or known
    if stripe_customer is None:
        return None
    return stripe.find_invoice(stripe_customer, seconds(since - CLOCK_DIFFERENCE), invoice_id)


def retrieved(stripe: StripeInvoices, identifier: str) -> StripeInvoice | None:
    """Return an invoice by Stripe's id, or nothing if it was deleted there."""
    try:
        return stripe.retrieve(identifier)
    except StripeRefused as error:
        if error.http_status == NOT_FOUND:
            return None
        raise
