"""What became of posted invoices: paid, open, void, uncollectible."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from assets.delivery.outbox import note_status
from connectors.stripe_invoices import StripeInvoices
from connectors.stripe_records import StripeInvoice
from connectors.warehouse import Warehouse
from models.tables import billing

# Stripe's own last words; an uncollectible invoice may still be paid.
FINAL = ("paid", "void")
# How long an invoice that Stripe has and we know nothing of is looked for.
RECENT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class PaymentsReport:
    """What a synchronisation found."""

    checked: int = 0
    changed: int = 0
    by_status: dict[str, int] = field(default_factory=dict)
    # Invoices that carry an id of ours, and are not the one that our outbox names for it.
    strangers: tuple[str, ...] = ()


def sync_payments(warehouse: Warehouse, stripe: StripeInvoices, now: datetime) -> PaymentsReport:
    """Bring the state of posted invoices up to date with Stripe.

    Reads all invoices created since the oldest one that is not settled, a hundred a call. A re-run
    without news changes nothing. A draft is left out: its posting has not ended, and may end with
    another one.
    """
    posted, unsettled = read_posted(warehouse)
    since = min([now - RECENT, *unsettled.values()])
    found = {
        invoice.stripe_invoice_id: invoice
        for invoice in stripe.list_invoices(int(since.astimezone(UTC).timestamp()))
    }
    ours = {
        identifier: found[identifier]
        for identifier in posted
        if identifier in found and found[identifier].status != "draft"
    }
    # An adopted draft may be older than the attempt which posted it.
    for identifier in unsettled.keys() - found.keys():
        ours[identifier] = stripe.retrieve(identifier)
    changed = write_statuses(warehouse, {posted[key]: value for key, value in ours.items()}, now)
    by_status: dict[str, int] = {}
    for invoice in ours.values():
        by_status[invoice.status] = by_status.get(invoice.status, 0) + 1
    strangers = sorted(
        identifier
        for identifier, invoice in found.items()
        if "invoice_id" in invoice.metadata
        and identifier not in posted
        and invoice.status != "void"
    )
    return PaymentsReport(len(ours), changed, by_status, tuple(strangers))


def read_posted(warehouse: Warehouse) -> tuple[dict[str, str], dict[str, datetime]]:
    """Return our id of every invoice in Stripe, and since when those not settled may exist."""
    outbox, statuses = billing.outbox, billing.stripe_invoices
    query = (
        select(
            outbox.c.stripe_invoice_id,
            outbox.c.invoice_id,
            outbox.c.first_tried_at,
            outbox.c.state,
            statuses.c.status,
        )
        .outerjoin(statuses, statuses.c.stripe_invoice_id == outbox.c.stripe_invoice_id)
        .where(outbox.c.stripe_invoice_id.is_not(None))
    )
    with warehouse.begin() as connection:
        rows = connection.execute(query).all()
    posted = {row.stripe_invoice_id: row.invoice_id for row in rows}
    unsettled = {
        row.stripe_invoice_id: row.first_tried_at
        for row in rows
        if row.state == "posted" and row.status not in FINAL
    }
    return posted, unsettled


def write_statuses(warehouse: Warehouse, invoices: dict[str, StripeInvoice], now: datetime) -> int:
    """Store what Stripe says of the invoices, by our ids, and return how many had changed."""
    changed = 0
    with warehouse.begin() as connection:
        for invoice_id, invoice in sorted(invoices.items()):
            changed += note_status(connection, invoice_id, invoice, now)
    return changed
