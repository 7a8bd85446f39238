"""One invoice in Stripe over the contracts of a customer and of the child it pays for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from assets.checks.frozen_rows import invoice_numbers_have_no_gap
from assets.checks.posted_invoices import approved_invoices_are_queued, totals_in_stripe_are_ours
from assets.delivery.outbox import PostingError
from assets.delivery.payments import sync_payments
from assets.delivery.posting import pending_postings
from assets.delivery.voiding import void_invoice
from assets.invoicing.approval import approve, waiting_for_approval
from assets.invoicing.closing import ClosingRules
from assets.invoicing.explanation import explain
from assets.invoicing.recompute import prepare_recomputation
from connectors.stripe_invoices import StripeInvoices
from sandbox.stripe.server import StripeSandbox
from tests.integration.posting_bench import CrashError, crashing, in_stripe, now, post
from tests.integration.test_invoicing import INVOICES, publish
from tests.pipeline import Pipeline

CATALOG = """
dimensions:
  - {id: calls, name: Calls, aggregation: sum}
  - {id: bytes, name: Bytes, aggregation: sum}
taxes:
  - {id: vat, name: VAT, percent: "20"}
plans:
  - id: calls
    currency: EUR
    charges: [{id: calls, dimension: calls, price: {model: per_unit, unit_amount: "0.10"}}]
  - id: bytes
    currency: EUR
    charges: [{id: bytes, dimension: bytes, price: {model: per_unit, unit_amount: "0.33"}}]
customers:
  - id: acme
    tax: vat
    consolidated_invoices: true
    contracts:
      - {id: app, plan: calls, start: 2026-08-01}
      - {id: data, plan: bytes, start: 2026-08-01}
    invoices:
      - {id: setup, date: 2026-08-31, lines: [{description: Setup, amount: 10}]}
  - id: shop
    name: The Shop
    parent: acme
    bill_to: parent
    timezone: Pacific/Honolulu
    contracts: [{id: shop, plan: calls, start: 2026-08-01}]
  - {id: other, contracts: [{id: other, plan: calls, start: 2026-08-01}]}
"""
RULES = ClosingRules(grace=timedelta(days=1), usage_sources=("gateway",), approves_itself=False)
NOW = datetime(2026, 11, 21, tzinfo=UTC)
TOGETHER = ["app:2026-08-01", "data:2026-08-01", "shop:2026-08-01"]
# What is paid changes nothing of what they are made of.
MARTS = ("int_invoice_payments", "fct_invoices", "fct_payments")
STATES = """
    select invoice_id, invoice_number, document_number, status, total, amount_paid
    from marts.fct_invoices
    where document_id like 'app:%'
    order by invoice_id
"""


def usage(tenant: str, dimension: str, value: str) -> dict:
    return {
        "id": f"{tenant}-{dimension}",
        "timestamp": "2026-08-10T12:00:00Z",
        "tenant_id": tenant,
        "dimension_id": dimension,
        "value": value,
    }


@pytest.fixture
def august(pipeline: Pipeline) -> Pipeline:
    publish(pipeline, CATALOG)
    pipeline.deliver(
        "gateway",
        [
            usage("acme", "calls", "100"),
            usage("acme", "bytes", "50"),
            usage("shop", "calls", "240"),
            usage("other", "calls", "10"),
            # Read past the end of the month in Honolulu.
            {**usage("other", "bytes", "0"), "timestamp": "2026-09-01T12:00:00Z"},
        ],
    )
    return pipeline


def states(pipeline: Pipeline) -> list[tuple[str, str, str, str]]:
    return [
        (row.invoice_number, row.status, str(row.total), str(row.amount_paid))
        for row in pipeline.rows(STATES)
    ]


def test_contracts_of_a_payer_are_on_one_document(
    august: Pipeline, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    # In Honolulu the grace of August ends ten hours later, and all of the document waits for it.
    august.build(datetime(2026, 9, 3, tzinfo=UTC), *INVOICES)
    report = august.close(replace(RULES, grace=timedelta(hours=40)), NOW)
    assert [number for _, number in report.finalised] == ["INV-000001", "INV-000002"]
    over = "the period and its grace end at 2026-09-03 02:00 UTC"
    held = {held.invoice_id: held.reason for held in report.held}
    assert held["shop:2026-08-01"] == over
    for waiting in ("app:2026-08-01", "data:2026-08-01"):
        assert held[waiting] == f"it is to be on a document with shop:2026-08-01: {over}"

    numbers = ["INV-000003", "INV-000003-2", "INV-000003-3"]
    assert august.close(RULES, NOW).finalised == list(zip(TOGETHER, numbers, strict=True))
    assert august.close(RULES, NOW).finalised == []
    assert invoice_numbers_have_no_gap(august.warehouse).passed

    # One is approved, and with it all; after a crash it is found in Stripe and completed.
    assert "app:2026-08-01" in waiting_for_approval(august.warehouse)
    assert approve(august.warehouse, ["shop:2026-08-01"], "test", NOW) == ["app:2026-08-01"]
    assert approve(august.warehouse, TOGETHER, "test", NOW) == []
    [pending] = pending_postings(august.warehouse)
    assert pending.invoice_id == "app:2026-08-01"
    with pytest.raises(CrashError):
        post(august.warehouse, crashing(sandbox, {1}), sandbox, "data:2026-08-01")
    posted = [post(august.warehouse, stripe, sandbox, invoice_id) for invoice_id in TOGETHER]
    assert [outcome.is_new for outcome in posted] == [True, False, False]
    [invoice] = in_stripe(sandbox, "invoice")
    assert (invoice["number"], invoice["total"], invoice["status"]) == ("INV-000003", 6060, "open")
    assert [(line["description"], line["amount"]) for line in in_stripe(sandbox, "line_item")] == [
        ("app: Calls: 100 unit (2026-08-01 to 2026-08-31)", 1000),
        ("app: VAT 20 % (2026-08-01 to 2026-08-31)", 200),
        ("data: Bytes: 50 unit (2026-08-01 to 2026-08-31)", 1650),
        ("data: VAT 20 % (2026-08-01 to 2026-08-31)", 330),
        ("The Shop, shop: Calls: 240 unit (2026-08-01 to 2026-08-31)", 2400),
        ("The Shop, shop: VAT 20 % (2026-08-01 to 2026-08-31)", 480),
    ]

    # A part is paid: the invoices are filled in their order, and no payment counts twice.
    with sandbox.service.store.transaction():
        paid = {"amount_paid": 2000, "amount_remaining": 4060}
        sandbox.service.store.put({**invoice, **paid})
    sync_payments(august.warehouse, stripe, now(sandbox))
    august.build(datetime(2026, 9, 3, tzinfo=UTC), *MARTS)
    assert states(august) == [
        ("INV-000003", "open", "12.000", "12.000"),
        ("INV-000003-2", "open", "19.800", "8.000"),
        ("INV-000003-3", "open", "28.800", "0.000"),
    ]
    [payment] = august.rows("select * from marts.fct_payments")
    assert (payment.invoice_number, payment.contract_id) == ("INV-000003", None)
    assert payment.amount_paid == 20
    assert totals_in_stripe_are_ours(august.warehouse).passed
    assert approved_invoices_are_queued(august.warehouse).passed

    # By the number of the document, all of it is explained, or rated again.
    explained = explain(august.warehouse, "INV-000003")
    assert [explanation.invoice.invoice_id for explanation in explained] == TOGETHER
    [second] = explain(august.warehouse, "INV-000003-2")
    assert second.invoice.invoice_id == "data:2026-08-01"
    assert prepare_recomputation(august.warehouse, "INV-000003") == TOGETHER

    # Void is all of it once what was paid is given back, and what is drafted again is on one
    # document again.
    with pytest.raises(PostingError, match="paid in part"):
        void_invoice(august.warehouse, stripe, "INV-000003-3", "test", now(sandbox))
    with sandbox.service.store.transaction():
        sandbox.service.store.put(invoice)
    void_invoice(august.warehouse, stripe, "INV-000003-3", "test", now(sandbox))
    august.build(datetime(2026, 9, 3, tzinfo=UTC), *INVOICES)
    assert [row[1] for row in states(august)] == ["void"] * 3
    again = [f"{invoice_id}:2" for invoice_id in TOGETHER]
    assert [invoice_id for invoice_id, _ in august.close(RULES, NOW).finalised] == again
    approve(august.warehouse, ["INV-000004"], "test", NOW)
    post(august.warehouse, stripe, sandbox, again[0])
    found = {invoice["number"]: invoice for invoice in in_stripe(sandbox, "invoice")}
    assert {number: one["status"] for number, one in found.items()} == {
        "INV-000003": "void",
        "INV-000004": "open",
    }
