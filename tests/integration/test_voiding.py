"""A void invoice ends in Stripe and here, wherever its posting stopped."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from assets.delivery.outbox import PostingError
from assets.delivery.voiding import void_invoice
from assets.invoicing.approval import InvoiceStateError, note_void, voidable
from assets.invoicing.closing import CLOSING_LOCK
from assets.invoicing.standing import voided_since
from assets.transform.builds import begin_build, build_inputs
from connectors.stripe_invoices import StripeInvoices
from connectors.stripe_records import StripeInvoice, StripeUnavailable
from connectors.warehouse import Warehouse
from sandbox.stripe.faults import Fault
from sandbox.stripe.server import StripeSandbox
from tests.integration.billing_rows import FINALISED_AT, approved_invoice
from tests.integration.posting_bench import (
    LINES,
    MINUTE,
    CrashError,
    crashing,
    in_stripe,
    now,
    post,
    v1,
)


@pytest.mark.parametrize("crash_after", [None, 1, 2, 3])
def test_an_invoice_is_voided_in_stripe_wherever_its_posting_stopped(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox, crash_after: int | None
) -> None:
    invoice_id = approved_invoice(warehouse, LINES)
    if crash_after is None:
        post(warehouse, stripe, sandbox, invoice_id)
    else:
        with pytest.raises(CrashError):
            post(warehouse, crashing(sandbox, {crash_after}), sandbox, invoice_id)
    assert void_invoice(warehouse, stripe, invoice_id, "test", now(sandbox)) is not None
    left = [invoice["status"] for invoice in in_stripe(sandbox, "invoice")]
    assert left == ([] if crash_after in (1, 2) else ["void"])
    with pytest.raises(PostingError, match="is void"):
        post(warehouse, stripe, sandbox, invoice_id)
    void_invoice(warehouse, stripe, invoice_id, "test", now(sandbox))


def test_an_invoice_never_posted_is_voided_here_alone(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    invoice_id = approved_invoice(warehouse, LINES)
    assert void_invoice(warehouse, stripe, invoice_id, "test", now(sandbox)) is None
    assert not sandbox.service.calls
    with pytest.raises(InvoiceStateError):
        void_invoice(warehouse, stripe, "missing", "test", now(sandbox))


def test_an_invoice_is_voided_by_its_number(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    post(warehouse, stripe, sandbox, approved_invoice(warehouse, LINES))
    assert void_invoice(warehouse, stripe, "INV-000001", "test", now(sandbox)) is not None
    assert [invoice["status"] for invoice in in_stripe(sandbox, "invoice")] == ["void"]


def test_nothing_is_finalised_while_an_invoice_is_being_voided(
    warehouse: Warehouse,
    stripe: StripeInvoices,
    sandbox: StripeSandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a close would spend of its credit in between would be void in Stripe alone."""
    invoice_id = approved_invoice(warehouse, LINES)
    post(warehouse, stripe, sandbox, invoice_id)
    void, can_close = StripeInvoices.void, select(func.pg_try_advisory_xact_lock(CLOSING_LOCK))
    answers = []

    def watched(*arguments: Any) -> StripeInvoice:
        with warehouse.begin() as connection:
            answers.append(connection.execute(can_close).scalar_one())
        return void(*arguments)

    monkeypatch.setattr(StripeInvoices, "void", watched)
    void_invoice(warehouse, stripe, invoice_id, "test", now(sandbox))
    with warehouse.begin() as connection:
        assert [*answers, connection.execute(can_close).scalar_one()] == [False, True]


def test_a_build_that_begins_while_an_invoice_is_voided_does_not_know_of_it(
    warehouse: Warehouse,
) -> None:
    """What the void is dated is earlier than the build, and what is committed of it later."""
    invoice_id = approved_invoice(warehouse, LINES)

    def begun() -> int:
        with warehouse.begin() as connection:
            inputs = build_inputs(connection, "none", FINALISED_AT, "adjust", "tests")
            return begin_build(connection, inputs, FINALISED_AT + timedelta(days=1))

    with warehouse.begin() as connection:
        note_void(connection, voidable(connection, invoice_id), "test", FINALISED_AT)
        before = begun()
    after = begun()
    with warehouse.begin() as connection:
        assert voided_since(connection, before) == invoice_id
        assert voided_since(connection, after) is None


def test_a_paid_invoice_is_not_voided(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    invoice_id = approved_invoice(warehouse, LINES)
    outcome = post(warehouse, stripe, sandbox, invoice_id)
    [invoice] = in_stripe(sandbox, "invoice")
    with sandbox.service.store.transaction():
        sandbox.service.store.put({**invoice, "amount_paid": 1, "amount_remaining": 8010})
    with pytest.raises(PostingError, match="paid in part"):
        void_invoice(warehouse, stripe, invoice_id, "test", now(sandbox))
    v1(sandbox).invoices.pay(outcome.stripe_invoice_id, {"paid_out_of_band": True})
    with pytest.raises(PostingError, match="credit note"):
        void_invoice(warehouse, stripe, invoice_id, "test", now(sandbox))


def test_a_void_that_stripe_has_refused_is_asked_for_anew(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    invoice_id = approved_invoice(warehouse, LINES)
    post(warehouse, stripe, sandbox, invoice_id)
    sandbox.service.faults.add(Fault("stored_500", path=".*/void"))
    with pytest.raises(StripeUnavailable):
        void_invoice(warehouse, stripe, invoice_id, "test", now(sandbox))
    sandbox.service.clock.advance(MINUTE)
    void_invoice(warehouse, stripe, invoice_id, "test", now(sandbox))
    assert [invoice["status"] for invoice in in_stripe(sandbox, "invoice")] == ["void"]
