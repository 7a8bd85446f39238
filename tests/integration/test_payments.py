"""What customers do in Stripe comes back into the warehouse."""

from decimal import Decimal

import pytest
from sqlalchemy import select

from assets.delivery.outbox import PostingError
from assets.delivery.payments import sync_payments
from connectors.stripe_invoices import StripeInvoices
from connectors.warehouse import Warehouse
from models.tables import billing
from sandbox.stripe.server import StripeSandbox
from tests.integration.billing_rows import approved_invoice
from tests.integration.posting_bench import (
    LINES,
    CrashError,
    assert_posted_once,
    crashing,
    in_stripe,
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


def test_a_draft_that_is_left_behind_is_not_taken_for_the_invoice(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    """It may be deleted in Stripe, and another one posted in its place."""
    invoice_id = approved_invoice(warehouse, LINES)
    with pytest.raises(CrashError):
        post(warehouse, crashing(sandbox, {2}), sandbox, invoice_id)
    report = sync_payments(warehouse, stripe, now(sandbox))
    assert (report.checked, report.strangers) == (0, ())
    v1(sandbox).invoices.delete(in_stripe(sandbox, "invoice")[0]["id"])
    with pytest.raises(PostingError, match="was deleted in Stripe"):
        post(warehouse, stripe, sandbox, invoice_id)
    post(warehouse, stripe, sandbox, invoice_id)
    assert_posted_once(warehouse, sandbox, invoice_id, LINES, 8011)
    assert sync_payments(warehouse, stripe, now(sandbox)).by_status == {"open": 1}


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
