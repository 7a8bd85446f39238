"""What customers do in Stripe comes back into the warehouse."""

from decimal import Decimal

from sqlalchemy import select

from assets.delivery.payments import sync_payments
from connectors.stripe_invoices import StripeInvoices
from connectors.warehouse import Warehouse
from models.tables import billing
from sandbox.stripe.server import StripeSandbox
from tests.integration.billing_rows import approved_invoice
from tests.integration.posting_bench import (
    LINES,
    now,
    post,
    v1,
)


def test_payments_are_brought_back_and_only_news_counts(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    paid, unpaid = (approved_invoice(warehouse, LINES) for _ in range(2))
    posted = [post(warehouse, stripe, sandbox, invoice_id) for invoice_id in (paid, unpaid)]
    v1(sandbox).invoices.pay(posted[0].stripe_invoice_id, {"paid_out_of_band": True})

    report = sync_payments(warehouse, stripe, now(sandbox))
    assert (report.changed, report.by_status) == (1, {"paid": 1, "open": 1})
    with warehouse.begin() as connection:
        row = connection.execute(
            select(billing.stripe_invoices).where(billing.stripe_invoices.c.invoice_id == paid)
        ).one()
    assert (row.status, row.amount_paid, row.amount_remaining) == ("paid", Decimal("80.11"), 0)
    assert sync_payments(warehouse, stripe, now(sandbox)).changed == 0


def test_an_old_unpaid_invoice_is_still_asked_for(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    invoice_id = approved_invoice(warehouse, LINES)
    outcome = post(warehouse, stripe, sandbox, invoice_id)
    sandbox.service.clock.advance(200 * 24 * 3600)
    v1(sandbox).invoices.pay(outcome.stripe_invoice_id, {"paid_out_of_band": True})
    assert sync_payments(warehouse, stripe, now(sandbox)).by_status == {"paid": 1}
    # What is settled is looked for no longer than a week.
    assert sync_payments(warehouse, stripe, now(sandbox)).checked == 0


def test_an_invoice_that_our_outbox_does_not_know_is_reported(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    customer = v1(sandbox).customers.create({"name": "Acme"}).id
    stranger = v1(sandbox).invoices.create(
        {"customer": customer, "metadata": {"invoice_id": "of-another-warehouse"}}
    )
    v1(sandbox).invoices.create({"customer": customer})
    assert sync_payments(warehouse, stripe, now(sandbox)).strangers == (stranger.id,)
