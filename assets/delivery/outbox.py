"""The outbox: what is to exist in Stripe exactly once, and what became of it.

What is posted is a document, with one invoice or several, and is known by the id of its first one.
A row is committed before the first call, so that whoever comes after a crash knows that a call may
have been made, since when, and with which keys.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from assets.delivery.stripe_lines import BillLine
from connectors.stripe_records import StripeInvoice
from models.money import from_stripe
from models.tables import billing, catalog
from models.tables.common import same

# Stripe forgets a key after a day at the earliest; an hour is left for the clocks.
KEY_LIFETIME = timedelta(hours=23)
KEY_NAME_CHARACTERS = 200
# What a line in Stripe has of ours as it stands.
COPIED = [name for name in BillLine.__slots__ if name not in ("line_number", "about", "note")]


class PostingError(Exception):
    """An invoice that cannot be posted as it stands; the message says what has to be done."""


@dataclass(frozen=True, slots=True)
class Bill:
    """A document: finalised invoices with the lines of each, and whom they go to."""

    invoices: Sequence[Row]
    customer: Row
    lines: list[list[BillLine]]
    is_taxed_by_stripe: bool

    @property
    def invoice_id(self) -> str:
        """Our id: that of the first invoice."""
        return str(self.invoices[0].invoice_id)

    @property
    def currency(self) -> str:
        """The currency of all amounts."""
        return str(self.invoices[0].currency)

    @property
    def total(self) -> Decimal:
        """The sum of the invoices."""
        return sum((invoice.total for invoice in self.invoices), Decimal(0))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One go at posting: ``is_first`` if no call can have been made before."""

    invoice_id: str
    number: int
    is_first: bool
    first_tried_at: datetime
    stripe_invoice_id: str | None
    is_posted: bool

    def key(self, step: str) -> str:
        """Return the idempotency key of a step, at most 255 ASCII characters."""
        return idempotency_key(self.invoice_id, step, self.number)


def idempotency_key(name: str, step: str, attempt: int) -> str:
    """Return the same key for the same step of the same attempt, always."""
    if len(name) > KEY_NAME_CHARACTERS or not name.isascii():
        name = hashlib.sha256(name.encode()).hexdigest()
    return f"{name}:{step}:{attempt}"


def begin_attempt(connection: Connection, bill: Bill, now: datetime) -> Attempt:
    """Take up a document: refuse what may not be posted, and note the attempt.

    While the outcome of earlier calls is unknown, their keys are used again: such a call may still
    be executed. New keys are taken once Stripe has answered with an error, which it would only
    repeat, and when it may have forgotten the old ones.
    """
    invoice_id = bill.invoice_id
    row = outbox_row(connection, bill, now)
    is_first = row.first_tried_at is None
    is_answered = row.last_http_status is not None or row.state == "failed"
    is_old = not is_first and now - row.key_since > KEY_LIFETIME
    takes_new_keys = not is_first and (is_answered or is_old)
    attempt = Attempt(
        invoice_id=invoice_id,
        number=row.attempt + 1 if takes_new_keys else row.attempt,
        is_first=is_first,
        first_tried_at=now if is_first else row.first_tried_at,
        stripe_invoice_id=row.stripe_invoice_id,
        is_posted=row.state == "posted",
    )
    if not attempt.is_posted:
        note(
            connection,
            invoice_id,
            now,
            state="sending",
            attempt=attempt.number,
            first_tried_at=attempt.first_tried_at,
            key_since=now if is_first or takes_new_keys else row.key_since,
            last_http_status=None,
        )
    return attempt


def outbox_row(connection: Connection, bill: Bill, now: datetime) -> Row:
    """Return the locked row of an approved document, new where approval made none."""
    events, table, invoice_id = billing.invoice_events, billing.outbox, bill.invoice_id
    happened: set[str] = set(
        connection.execute(
            select(events.c.event).where(events.c.invoice_id == invoice_id)
        ).scalars()
    )
    if "approved" not in happened:
        raise PostingError(f"invoice {invoice_id} is not approved; meterhouse approve does that")
    if "voided" in happened:
        raise PostingError(f"invoice {invoice_id} is void and will not be posted")
    if bill.total <= 0:
        raise PostingError(
            f"there is nothing to pay on invoice {invoice_id}, so there is nothing to post"
        )
    connection.execute(
        insert(table)
        .values(invoice_id=invoice_id, state="pending", attempt=0, updated_at=now)
        .on_conflict_do_nothing()
    )
    return connection.execute(
        select(table).where(table.c.invoice_id == invoice_id).with_for_update()
    ).one()


def note(connection: Connection, invoice_id: str, now: datetime, **values: object) -> None:
    """Write down what happened to a row of the outbox."""
    table = billing.outbox
    connection.execute(
        update(table).where(table.c.invoice_id == invoice_id).values(updated_at=now, **values)
    )


def note_posted(connection: Connection, bill: Bill, posted: StripeInvoice, now: datetime) -> None:
    """Write down that a document exists in Stripe, with its events, in the caller's transaction."""
    note(
        connection,
        bill.invoice_id,
        now,
        state="posted",
        stripe_invoice_id=posted.stripe_invoice_id,
        last_error=None,
    )
    connection.execute(
        insert(billing.invoice_events)
        .values(
            [
                {
                    "invoice_id": invoice.invoice_id,
                    "event": "posted",
                    "actor": "post",
                    "happened_at": now,
                    "details": {"stripe_invoice_id": posted.stripe_invoice_id},
                }
                for invoice in bill.invoices
            ]
        )
        .on_conflict_do_nothing()
    )
    note_status(connection, bill.invoice_id, posted, now)


def note_status(
    connection: Connection, invoice_id: str, found: StripeInvoice, now: datetime
) -> bool:
    """Write down what Stripe says of an invoice; return whether that is news.

    Amounts become the currency's major unit.
    """
    table = billing.stripe_invoices
    values: Mapping[str, Any] = {
        "invoice_id": invoice_id,
        "status": found.status,
        "currency": found.currency,
        "total": from_stripe(found.total, found.currency),
        "tax": from_stripe(found.tax, found.currency),
        "amount_due": from_stripe(found.amount_due, found.currency),
        "amount_paid": from_stripe(found.amount_paid, found.currency),
        "amount_remaining": from_stripe(found.amount_remaining, found.currency),
        "attempt_count": found.attempt_count,
        "hosted_invoice_url": found.hosted_invoice_url,
    }
    known = connection.execute(
        select(table).where(table.c.stripe_invoice_id == found.stripe_invoice_id).with_for_update()
    ).one_or_none()
    connection.execute(
        insert(table)
        .values(stripe_invoice_id=found.stripe_invoice_id, synced_at=now, **values)
        .on_conflict_do_update(
            index_elements=["stripe_invoice_id"], set_={**values, "synced_at": now}
        )
    )
    return known is None or any(known._mapping[name] != values[name] for name in values)


def document_of(connection: Connection, invoice_id: str) -> str:
    """Return the id of the document that a finalised invoice is on."""
    invoices = billing.invoices.c
    document_id: str | None = connection.execute(
        select(invoices.document_id).where(invoices.invoice_id == invoice_id)
    ).scalar()
    if document_id is None:
        raise PostingError(f"there is no finalised invoice {invoice_id}")
    return document_id


def read_bill(connection: Connection, document_id: str) -> Bill:
    """Return a document as it is to be posted."""
    table = billing.invoices
    invoices = connection.execute(
        select(table).where(table.c.document_id == document_id).order_by(table.c.invoice_sequence)
    ).all()
    return Bill(
        invoices,
        read_customer(connection, invoices[0].customer_id),
        read_lines(connection, document_id, is_alone=len(invoices) == 1),
        is_taxed_by_stripe(connection, invoices[0]),
    )


def read_customer(connection: Connection, customer_id: str) -> Row:
    """Return a customer by the last catalog that names it: an address may have been mended."""
    customers, accepted = catalog.customers, catalog.acceptances
    found = connection.execute(
        select(customers)
        .join(accepted, accepted.c.catalog_version == customers.c.catalog_version)
        .where(customers.c.customer_id == customer_id)
        .order_by(accepted.c.acceptance_number.desc())
        .limit(1)
    ).one_or_none()
    if found is None:
        raise PostingError(f"no catalog names the customer {customer_id}")
    return found


def is_taxed_by_stripe(connection: Connection, invoice: Row) -> bool:
    """Return whether an invoice was rated without taxes, which Stripe Tax is to find."""
    customers = catalog.customers
    found: bool | None = connection.execute(
        select(customers.c.is_taxed_by_stripe)
        .where(customers.c.catalog_version == invoice.catalog_version)
        .where(customers.c.customer_id == invoice.customer_id)
    ).scalar()
    return bool(found)


def read_lines(connection: Connection, document_id: str, *, is_alone: bool) -> list[list[BillLine]]:
    """Return the lines of each invoice of a document in order, numbered over all of them.

    Where an invoice is not alone on the document, its lines tell the contract, and the child it is
    for.
    """
    lines, dimensions, customers = billing.invoice_lines, catalog.dimensions, catalog.customers
    invoices = billing.invoices
    rows = connection.execute(
        select(lines, dimensions.c.unit, customers.c.name.label("customer_name"))
        .join(invoices, invoices.c.invoice_id == lines.c.invoice_id)
        .outerjoin(dimensions, same(dimensions, lines, "dimension_id", "catalog_version"))
        .outerjoin(
            customers,
            same(customers, lines, "catalog_version")
            & (customers.c.customer_id == lines.c.for_customer_id),
        )
        .where(invoices.c.document_id == document_id)
        .order_by(invoices.c.invoice_sequence, lines.c.line_number)
    )
    found = [
        (
            row.invoice_id,
            BillLine(
                **{name: getattr(row, name) for name in COPIED},
                line_number=number,
                about="" if is_alone else subject_of(row),
            ),
        )
        for number, row in enumerate(rows, start=1)
    ]
    return [[line for _, line in group] for _, group in groupby(found, key=lambda pair: pair[0])]


def subject_of(line: Row) -> str:
    """Return what tells the lines of an invoice from others on its document."""
    is_own = line.for_customer_id == line.customer_id
    return f"{line.contract_id}: " if is_own else f"{line.customer_name}, {line.contract_id}: "


def first_tried_for_customer(connection: Connection, customer_id: str) -> datetime | None:
    """Return when an invoice of a customer was first taken up: the customer may exist since."""
    found: datetime | None = connection.execute(
        select(func.min(billing.outbox.c.first_tried_at))
        .join(billing.invoices, billing.invoices.c.invoice_id == billing.outbox.c.invoice_id)
        .where(billing.invoices.c.customer_id == customer_id)
    ).scalar()
    return found
