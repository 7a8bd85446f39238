"""An approved invoice becomes one in Stripe, with the same lines and the same total."""

from typing import Any

import pytest
from sqlalchemy import insert, select

from assets.delivery.outbox import PostingError, idempotency_key, read_customer
from assets.delivery.posting import pending_postings
from connectors.stripe_invoices import StripeInvoices
from connectors.stripe_records import StripeUnavailable
from connectors.warehouse import Warehouse
from models.tables import billing
from sandbox.stripe.faults import Fault
from sandbox.stripe.server import StripeSandbox
from tests.integration.billing_rows import Line, approved_invoice, new_customer
from tests.integration.posting_bench import (
    DAY_AND_HOUR,
    KEY,
    LINES,
    account,
    assert_posted_once,
    in_stripe,
    now,
    outbox_of,
    post,
    v1,
)
from tests.integration.test_invoicing import publish
from tests.pipeline import Pipeline, record_void

CATALOG = "customers: [{id: acme, stripe_customer: cus_some}]\n"


def test_a_first_posting_takes_three_calls(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    customer = new_customer(warehouse)
    first = approved_invoice(warehouse, LINES, customer_id=customer)
    outcome = post(warehouse, stripe, sandbox, first)
    assert (outcome.status, outcome.is_new) == ("open", True)
    assert_posted_once(warehouse, sandbox, first, LINES, 8011)

    sandbox.service.calls.clear()
    post(warehouse, stripe, sandbox, approved_invoice(warehouse, LINES, customer_id=customer))
    assert dict(sandbox.service.calls) == {
        "POST /v1/invoices": 1,
        "POST /v1/invoices/{invoice}/add_lines": 1,
        "POST /v1/invoices/{invoice}/finalize": 1,
    }


def test_posting_again_changes_nothing_and_asks_nothing(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    invoice_id = approved_invoice(warehouse, LINES)
    first = post(warehouse, stripe, sandbox, invoice_id)
    before = outbox_of(warehouse, invoice_id)
    sandbox.service.calls.clear()
    sandbox.service.clock.advance(DAY_AND_HOUR)
    again = post(warehouse, stripe, sandbox, invoice_id)
    assert (again.stripe_invoice_id, again.is_new) == (first.stripe_invoice_id, False)
    assert not sandbox.service.calls
    assert outbox_of(warehouse, invoice_id) == before


def test_an_invoice_in_stripe_says_what_the_customer_needs(
    warehouse: Warehouse, sandbox: StripeSandbox
) -> None:
    customer = new_customer(warehouse, name="Bären GmbH", timezone="Europe/Berlin", country="DE")
    invoice_id = approved_invoice(
        warehouse, [Line("10.00"), Line("1.90", "tax", "VAT 19 %", None)], customer_id=customer
    )
    terms = {"collection": "send_invoice", "days_until_due": 14, "payment_methods": ["card"]}
    post(warehouse, account(sandbox, **terms), sandbox, invoice_id)

    [invoice] = in_stripe(sandbox, "invoice")
    assert invoice["due_date"] == sandbox.service.clock.now() + 14 * 24 * 3600
    assert invoice["number"].startswith("INV-")
    assert invoice["payment_settings"]["payment_method_types"] == ["card"]
    assert (invoice["customer_name"], invoice["customer_address"]["country"]) == (
        "Bären GmbH",
        "DE",
    )
    assert invoice["auto_advance"] is True
    usage, tax = in_stripe(sandbox, "line_item")
    assert usage["description"] == "Data processed: 12.5 gigabyte (2026-09-01 to 2026-09-30)"
    assert tax["description"] == "VAT 19 % (2026-09-01 to 2026-09-30)"
    assert usage["metadata"]["quantity"] == "12.500000000"
    # Midnight in Berlin, and the last second of September there.
    assert usage["period"] == {"start": 1_788_213_600, "end": 1_790_805_599}


def test_the_customer_that_the_catalog_names_is_used(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    existing = v1(sandbox).customers.create({"name": "Acme"}).id
    customer = new_customer(warehouse, stripe_customer=existing)
    post(warehouse, stripe, sandbox, approved_invoice(warehouse, LINES, customer_id=customer))
    assert [invoice["customer"] for invoice in in_stripe(sandbox, "invoice")] == [existing]
    assert len(in_stripe(sandbox, "customer")) == 1


def test_a_customer_is_as_the_catalog_that_holds_says(pipeline: Pipeline) -> None:
    """A mistake that is taken back leaves the later version behind, and the earlier one holds."""
    for stripe_customer in ("cus_right", "cus_mistaken", "cus_right", "cus_right"):
        publish(pipeline, CATALOG.replace("cus_some", stripe_customer))
    with pipeline.warehouse.begin() as connection:
        assert read_customer(connection, "acme").stripe_customer == "cus_right"
    assert len(pipeline.rows("select * from catalog.acceptances")) == 3


def test_more_than_250_lines_are_put_together_to_the_same_total(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    lines = [Line(f"{number}.01") for number in range(1, 301)]
    lines.append(Line("0.05", "tax", "VAT", None))
    invoice_id = approved_invoice(warehouse, lines)
    post(warehouse, stripe, sandbox, invoice_id)
    posted = in_stripe(sandbox, "line_item")
    assert len(posted) == 250
    # 248 lines of usage and the tax stand alone; the 52 smallest are one.
    assert posted[-1]["description"] == "52 further lines (2026-09-01 to 2026-09-30)"
    assert posted[-1]["amount"] == sum(100 * number + 1 for number in range(1, 53))
    assert posted[-2]["amount"] == 5
    [invoice] = in_stripe(sandbox, "invoice")
    assert invoice["total"] == sum(100 * number + 1 for number in range(1, 301)) + 5


def test_a_document_of_several_invoices_is_posted_as_one(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    customer = new_customer(warehouse)
    lines = [Line(f"{number}.01", description=f"{number}") for number in range(1, 151)]
    first = approved_invoice(warehouse, lines, customer_id=customer)
    second = approved_invoice(warehouse, lines, customer_id=customer, document_id=first)
    post(warehouse, stripe, sandbox, second)
    [invoice] = in_stripe(sandbox, "invoice")
    assert (invoice["number"], invoice["metadata"]["invoice_id"]) == ("INV-000001", first)
    assert invoice["total"] == 2 * sum(100 * number + 1 for number in range(1, 151))
    # The 51 smallest lines of both are one; those of the second come after those of the first.
    *shown, further = in_stripe(sandbox, "line_item")
    assert (len(shown), further["description"][:16]) == (249, "51 further lines")
    said = [line["description"].split(":")[:3] for line in shown]
    contracts = [first.split(":")[0], second.split(":")[0]]
    assert [contract for contract, *_ in said] == [contracts[0]] * 125 + [contracts[1]] * 124
    assert said[0] == [contracts[0], " 26", " 12.5 gigabyte (2026-09-01 to 2026-09-30)"]


@pytest.mark.parametrize(("currency", "counted"), [("JPY", 1200), ("UGX", 120_000)])
def test_a_currency_without_decimals_is_posted_as_stripe_counts_it(
    warehouse: Warehouse,
    stripe: StripeInvoices,
    sandbox: StripeSandbox,
    currency: str,
    counted: int,
) -> None:
    invoice_id = approved_invoice(warehouse, [Line("1200")], currency=currency)
    post(warehouse, stripe, sandbox, invoice_id)
    [invoice] = in_stripe(sandbox, "invoice")
    assert (invoice["currency"], invoice["total"]) == (currency.lower(), counted)
    with warehouse.begin() as connection:
        total = connection.execute(
            select(billing.stripe_invoices.c.total).where(
                billing.stripe_invoices.c.invoice_id == invoice_id
            )
        ).scalar_one()
    assert total == 1200


def test_what_is_not_approved_void_or_without_amount_is_not_posted(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    unapproved = approved_invoice(warehouse, LINES, is_approved=False)
    void = approved_invoice(warehouse, LINES)
    record_void(warehouse, void, "test", now(sandbox))
    empty = approved_invoice(warehouse, [])
    # Of a time when it was taken up before anybody looked whether there is something to pay.
    with warehouse.begin() as connection:
        row = {"invoice_id": empty, "state": "failed", "attempt": 0, "updated_at": now(sandbox)}
        connection.execute(insert(billing.outbox), row)
    expected = {unapproved: "not approved", void: "is void", empty: "nothing to pay",
                "missing": "no finalised invoice"}  # fmt: skip
    for invoice_id, reason in expected.items():
        with pytest.raises(PostingError, match=reason):
            post(warehouse, stripe, sandbox, invoice_id)
    assert not sandbox.service.calls
    pending = {posting.invoice_id for posting in pending_postings(warehouse)}
    assert pending.isdisjoint({unapproved, void, empty})


@pytest.mark.parametrize("fault", ["drop_before", "stored_500", None])
def test_no_message_holds_the_key(warehouse: Warehouse, sandbox: StripeSandbox, fault: Any) -> None:
    """Stripe's own refusal of a key repeats its end."""
    api_key = "sk_live_51f0e1d2c3b4"
    stripe = account(sandbox, api_key=api_key if fault is None else KEY)
    if fault is not None:
        sandbox.service.faults.add(Fault(fault))
    invoice_id = approved_invoice(warehouse, LINES)
    with pytest.raises((PostingError, StripeUnavailable)) as failure:
        post(warehouse, stripe, sandbox, invoice_id)
    said = f"{failure.value!r} {failure.value.__cause__!r} {outbox_of(warehouse, invoice_id)}"
    for secret in (api_key, KEY):
        assert secret not in said + repr(stripe)
        assert secret[-4:] not in said


def test_keys_are_short_and_plain_for_any_id() -> None:
    assert idempotency_key("acme:2026-09-01", "create", 2) == "acme:2026-09-01:create:2"
    for name in ("x" * 400, "b\u00e4ren"):
        key = idempotency_key(name, "create", 0)
        assert key.isascii()
        assert len(key) <= 255
