"""Posting: a document becomes one invoice in Stripe, whatever fails and whenever.

A first attempt makes three calls. A later one looks before it acts, adopts what it finds, and adds
only what is missing. What Stripe totals is compared with our own total before it is finalised.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from assets.delivery.outbox import (
    Attempt,
    Bill,
    PostingError,
    begin_attempt,
    document_of,
    first_tried_for_customer,
    idempotency_key,
    note,
    note_posted,
    read_bill,
)
from assets.delivery.reductions import reduced_lines
from assets.delivery.stripe_lines import limited, stripe_lines
from assets.invoicing.standing import standing_invoices
from connectors.stripe_invoices import StripeInvoices
from connectors.stripe_records import (
    StripeCustomer,
    StripeDraft,
    StripeInvoice,
    StripeRefused,
    StripeUnavailable,
)
from connectors.warehouse import Warehouse
from models.money import MoneyError, from_stripe, to_stripe
from models.tables import billing

# By how much Stripe's clock may be behind ours without an earlier draft being overlooked.
CLOCK_DIFFERENCE = timedelta(hours=1)
NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class PendingPosting:
    """An approved document that is not in Stripe yet."""

    invoice_id: str
    state: str
    last_error: str | None


@dataclass(frozen=True, slots=True)
class PostingOutcome:
    """What there is in Stripe now, and whether this call has brought it there."""

    invoice_id: str
    stripe_invoice_id: str
    status: str
    is_new: bool


def pending_postings(warehouse: Warehouse) -> list[PendingPosting]:
    """Return approved documents that are neither void nor posted, in the order of their numbers.

    Those with nothing to pay are not among them, whatever the outbox holds of them.
    """
    outbox, standing = billing.outbox, standing_invoices()
    query = (
        select(outbox.c.invoice_id, outbox.c.state, outbox.c.last_error)
        .join(standing, standing.c.document_id == outbox.c.invoice_id)
        .where(outbox.c.state != "posted")
        .group_by(outbox.c.invoice_id)
        .having(func.sum(standing.c.amount_due) > 0)
        .order_by(func.min(standing.c.invoice_sequence))
    )
    with warehouse.begin() as connection:
        return [
            PendingPosting(row.invoice_id, row.state, row.last_error)
            for row in connection.execute(query)
        ]


def post_invoice(
    warehouse: Warehouse, stripe: StripeInvoices, invoice_id: str, now: datetime
) -> PostingOutcome:
    """Bring an approved invoice into Stripe, or find that it is there already.

    With it goes what is on its document; the outcome names the document by its first invoice.
    ``now`` is the clock's time, not an as-of instant: it dates idempotency keys. Raises
    ``StripeUnavailable`` when a later attempt may succeed by itself, and ``PostingError`` when a
    person has to act first; the outbox holds the reason.
    """
    with warehouse.begin() as connection:
        invoice_id = document_of(connection, invoice_id)
    with warehouse.locked(posting_lock(invoice_id)):
        with warehouse.begin() as connection:
            bill = read_bill(connection, invoice_id)
            attempt = begin_attempt(connection, bill, now)
        if attempt.is_posted:
            return known_outcome(warehouse, attempt)
        try:
            posted = Posting(warehouse, stripe, bill, attempt, now).run()
        except StripeUnavailable as error:
            # Without an answer the state stays as it is: the call may have been executed.
            answered = error.http_status if error.is_outcome_known else None
            with warehouse.begin() as connection:
                note(connection, invoice_id, now, last_http_status=answered, last_error=str(error))
            raise
        except (StripeRefused, PostingError, MoneyError) as error:
            with warehouse.begin() as connection:
                note(
                    connection,
                    invoice_id,
                    now,
                    state="failed",
                    last_http_status=getattr(error, "http_status", None),
                    last_error=str(error),
                )
            raise PostingError(f"invoice {invoice_id}: {error}") from error
        with warehouse.begin() as connection:
            note_posted(connection, bill, posted, now)
    return PostingOutcome(invoice_id, posted.stripe_invoice_id, posted.status, is_new=True)


def posting_lock(invoice_id: str) -> str:
    """Return the name of the lock that makes one writer per invoice."""
    return f"the posting of invoice {invoice_id}"


def known_outcome(warehouse: Warehouse, attempt: Attempt) -> PostingOutcome:
    """Return what an earlier attempt has brought about."""
    table = billing.stripe_invoices
    with warehouse.begin() as connection:
        status: str = connection.execute(
            select(table.c.status).where(table.c.stripe_invoice_id == attempt.stripe_invoice_id)
        ).scalar_one()
    return PostingOutcome(attempt.invoice_id, str(attempt.stripe_invoice_id), status, is_new=False)


@dataclass(frozen=True, slots=True)
class Posting:
    """The steps of one attempt."""

    warehouse: Warehouse
    stripe: StripeInvoices
    bill: Bill
    attempt: Attempt
    now: datetime

    def run(self) -> StripeInvoice:
        """Return the invoice in Stripe, finalised and equal to ours."""
        invoice = self._draft()
        if invoice.status == "draft":
            invoice = self._with_lines(invoice)
            if invoice.tax_problem is not None and not self.attempt.is_first:
                # What was missing may have been added since.
                invoice = self.stripe.find_taxes(
                    invoice.stripe_invoice_id, self.attempt.key("taxes")
                )
            self._compare(invoice)
            invoice = self.stripe.finalize(invoice.stripe_invoice_id, self.attempt.key("finalize"))
        self._compare(invoice)
        return invoice

    def _draft(self) -> StripeInvoice:
        """Return what an earlier attempt has left in Stripe, or a new draft."""
        if self.attempt.stripe_invoice_id is not None:
            return self._remembered(self.attempt.stripe_invoice_id)
        customer = self._customer()
        invoice = (
            None
            if self.attempt.is_first
            else self.stripe.find_invoice(
                customer,
                seconds(self.attempt.first_tried_at - CLOCK_DIFFERENCE),
                self.bill.invoice_id,
            )
        )
        if invoice is None:
            invoice = self.stripe.create_draft(self._head(customer), self.attempt.key("create"))
        self._remember(invoice.stripe_invoice_id)
        return invoice

    def _head(self, stripe_customer: str) -> StripeDraft:
        """Return the invoice without its lines; under reverse charge it names who owes the tax."""
        first, customer = self.bill.invoices[0], self.bill.customer
        is_reverse = customer.tax_exempt == "reverse" and customer.tax_id is not None
        metadata = {"invoice_id": self.bill.invoice_id, "customer_id": first.customer_id}
        # To each of several invoices, their lines lead.
        if len(self.bill.invoices) == 1:
            metadata |= {"contract_id": first.contract_id} if first.contract_id else {}
            metadata |= {"content_hash": first.content_hash}
        return StripeDraft(
            customer=stripe_customer,
            currency=self.bill.currency,
            metadata=limited(metadata),
            number=first.invoice_number,
            is_taxed_by_stripe=self.bill.is_taxed_by_stripe,
            shown={"Customer tax ID": customer.tax_id} if is_reverse else {},
        )

    def _remembered(self, stripe_invoice_id: str) -> StripeInvoice:
        try:
            return self.stripe.retrieve(stripe_invoice_id)
        except StripeRefused as error:
            if error.http_status != NOT_FOUND:
                raise
            # The key of its creation would bring back the deleted draft: a new one needs new keys.
            self._remember(None)
            raise PostingError(
                f"its draft {stripe_invoice_id} was deleted in Stripe;"
                " post the invoice again to make another"
            ) from None

    def _remember(self, stripe_invoice_id: str | None) -> None:
        with self.warehouse.begin() as connection:
            note(connection, self.bill.invoice_id, self.now, stripe_invoice_id=stripe_invoice_id)

    def _with_lines(self, invoice: StripeInvoice) -> StripeInvoice:
        """Return the draft with all its lines."""
        identifier = invoice.stripe_invoice_id
        bill = self.bill
        # Each invoice bears its own reductions: none is below zero.
        lines = [
            line
            for of_invoice in bill.lines
            for line in (reduced_lines(of_invoice) if bill.is_taxed_by_stripe else of_invoice)
        ]
        wanted = stripe_lines(lines, bill.customer.timezone)
        present = set() if self.attempt.is_first else self.stripe.list_line_ids(identifier)
        missing = [line for line in wanted if line.metadata["invoice_line_id"] not in present]
        if not missing:
            return invoice
        changed = self.stripe.add_lines(
            identifier,
            missing,
            self.attempt.key("lines"),
            taxed_in=bill.currency if bill.is_taxed_by_stripe else None,
        )
        # An answer may be the repeated one of an earlier attempt: then it is not about now.
        return changed if self.attempt.is_first else self.stripe.retrieve(identifier)

    def _compare(self, invoice: StripeInvoice) -> None:
        """Refuse an invoice whose total, less what Stripe Tax adds, is not ours."""
        total, currency = self.bill.total, self.bill.currency
        ours = to_stripe(total, currency)
        added = invoice.tax if self.bill.is_taxed_by_stripe else 0
        if invoice.tax_problem is not None:
            raise PostingError(
                f"Stripe Tax cannot tax invoice {invoice.stripe_invoice_id}"
                f" ({invoice.tax_problem}): complete the address of the customer in Stripe,"
                " and post again"
            )
        if invoice.currency != currency or invoice.total - added != ours:
            theirs = from_stripe(invoice.total - added, invoice.currency)
            raise PostingError(
                f"Stripe's {invoice.status} invoice {invoice.stripe_invoice_id} totals"
                f" {theirs:f} {invoice.currency}, and ours {total:f} {currency}."
                " Take out of it in Stripe what is not ours, or delete it, and post again"
            )

    def _customer(self) -> str:
        """Return the customer in Stripe: named by the catalog, made before, or made now."""
        customer = self.bill.customer
        if customer.stripe_customer is not None:
            return str(customer.stripe_customer)
        with self.warehouse.locked(f"the customer {customer.customer_id} in Stripe"):
            table = billing.stripe_customers
            with self.warehouse.begin() as connection:
                known = connection.execute(
                    select(table.c.stripe_customer_id).where(
                        table.c.customer_id == customer.customer_id
                    )
                ).scalar()
                since = first_tried_for_customer(connection, customer.customer_id)
            if known is not None:
                return str(known)
            made = self._found_or_made(since or self.now)
            with self.warehouse.begin() as connection:
                connection.execute(
                    insert(table).values(
                        customer_id=customer.customer_id,
                        stripe_customer_id=made,
                        created_at=self.now,
                    )
                )
        return made

    def _found_or_made(self, since: datetime) -> str:
        """Return the customer that an earlier attempt may have left, or a new one."""
        customer = self.bill.customer
        may_exist = not self.attempt.is_first or since < self.attempt.first_tried_at
        found = (
            self.stripe.find_customer(customer.customer_id, seconds(since - CLOCK_DIFFERENCE))
            if may_exist
            else None
        )
        # The key is the customer's, for two of its invoices may be posted after each other.
        return found or self.stripe.create_customer(
            StripeCustomer(
                customer_id=customer.customer_id,
                name=customer.name,
                email=customer.email,
                country=customer.country,
                tax_exempt=customer.tax_exempt,
            ),
            idempotency_key(f"customer/{customer.customer_id}", "create", self.attempt.number),
        )


def seconds(instant: datetime) -> int:
    """Return an instant as Stripe counts."""
    return int(instant.astimezone(UTC).timestamp())
