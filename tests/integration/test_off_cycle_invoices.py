"""Invoices outside of the billing periods, from the catalog to Stripe and back."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from assets.catalog.refusals.errors import CatalogRefused
from assets.delivery.voiding import void_invoice
from assets.invoicing.approval import approve
from assets.invoicing.closing import ClosingRules, close_period
from assets.invoicing.explanation import explain
from connectors.stripe_invoices import StripeInvoices
from sandbox.stripe.server import StripeSandbox
from tests.integration.posting_bench import in_stripe, now, post
from tests.integration.test_invoicing import INVOICES, is_same_when_recomputed, lines, publish
from tests.pipeline import Pipeline

CATALOG = """
dimensions:
  - {id: calls, name: Calls, aggregation: sum}
taxes:
  - {id: vat, name: VAT, percent: "19", country: DE}
  - {id: vat_reduced, name: Reduced VAT, percent: "7"}
plans:
  - id: payg
    currency: EUR
    charges:
      - {id: calls, dimension: calls, price: {model: per_unit, unit_amount: "0.10"}}
customers:
  - id: acme
    country: DE
    timezone: Europe/Berlin
    contracts:
      - {id: acme, plan: payg, start: 2026-03-01, credits: [{id: gift, amount: "50"}]}
    invoices:
      - id: onboarding
        date: 2026-03-10
        lines:
          - {description: Workshop, amount: "1500.00"}
          - {description: Migration, quantity: "12.5", unit_amount: "180.00"}
          - {description: Handbooks, amount: "250.00", tax: vat_reduced}
          - {description: Goodwill, amount: "-400.00"}
      - id: later
        date: 2026-03-20
        lines: [{description: Workshop, amount: "10.00", tax: []}]
  - id: alone
    currency: JPY
    invoices:
      - {id: setup, date: 2026-03-01, lines: [{description: Setup, amount: 5000}]}
"""
RULES = ClosingRules(grace=timedelta(days=1), usage_sources=("gateway",), approves_itself=False)
NOW = datetime(2026, 11, 21, tzinfo=UTC)
ONBOARDING = [
    ("manual", None, "1500.000"),
    ("manual", None, "2250.000"),
    ("manual", None, "250.000"),
    ("manual", None, "-400.000"),
    ("tax", "vat", "641.250"),
    ("tax", "vat_reduced", "15.750"),
]


@pytest.fixture
def drafts(pipeline: Pipeline) -> Pipeline:
    publish(pipeline, CATALOG)
    # The 10th has begun in Berlin, and not the 20th anywhere.
    pipeline.build(datetime(2026, 3, 9, 23, 30, tzinfo=UTC), *INVOICES)
    return pipeline


def drafted(pipeline: Pipeline) -> list[str]:
    found = pipeline.rows(
        "select invoice_id from marts.fct_invoices where status = 'draft' order by invoice_id"
    )
    return [row.invoice_id for row in found]


def test_they_are_drafts_from_their_day_on_and_wait_for_nothing(drafts: Pipeline) -> None:
    assert drafted(drafts) == ["acme:2026-03-01", "acme:manual:onboarding", "alone:manual:setup"]
    assert lines(drafts, "acme:manual:onboarding") == ONBOARDING
    assert lines(drafts, "alone:manual:setup") == [("manual", None, "5000.000")]

    report = close_period(drafts.warehouse, RULES, date(2026, 3, 1), NOW)
    assert report.finalised == [
        ("alone:manual:setup", "INV-000001"),
        ("acme:manual:onboarding", "INV-000002"),
    ]
    assert [held.invoice_id for held in report.held] == ["acme:2026-03-01"]
    assert close_period(drafts.warehouse, RULES, date(2026, 3, 1), NOW).finalised == []

    drafts.build(datetime(2026, 3, 21, tzinfo=UTC), *INVOICES)
    assert drafted(drafts) == ["acme:2026-03-01", "acme:manual:later"]
    assert lines(drafts, "acme:manual:later") == [("manual", None, "10.000")]
    assert is_same_when_recomputed(drafts, "acme:manual:onboarding")


def test_one_is_posted_once_and_after_a_void_again(
    drafts: Pipeline, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    invoice_id = "alone:manual:setup"
    drafts.close(RULES, NOW)
    approve(drafts.warehouse, [invoice_id], "test", NOW)
    post(drafts.warehouse, stripe, sandbox, invoice_id)
    post(drafts.warehouse, stripe, sandbox, invoice_id)
    posted = in_stripe(sandbox, "invoice")
    assert [(found["total"], found["currency"]) for found in posted] == [(5000, "jpy")]
    assert posted[0]["metadata"]["invoice_id"] == invoice_id
    assert "contract_id" not in posted[0]["metadata"]

    drafts.build(datetime(2026, 3, 21, tzinfo=UTC), *INVOICES)
    assert invoice_id not in drafted(drafts)

    void_invoice(drafts.warehouse, stripe, invoice_id, "test", now(sandbox))
    publish(drafts, CATALOG.replace("amount: 5000", "amount: 4000"))
    drafts.build(datetime(2026, 3, 21, tzinfo=UTC), *INVOICES)
    assert lines(drafts, f"{invoice_id}:2") == [("manual", None, "4000.000")]
    drafts.close(RULES, NOW)
    approve(drafts.warehouse, [f"{invoice_id}:2"], "test", NOW)
    post(drafts.warehouse, stripe, sandbox, f"{invoice_id}:2")
    states = [(found["total"], found["status"]) for found in in_stripe(sandbox, "invoice")]
    assert sorted(states) == [(4000, "open"), (5000, "void")]
    assert is_same_when_recomputed(drafts, invoice_id)


def test_what_is_finalised_cannot_be_written_otherwise(drafts: Pipeline) -> None:
    drafts.close(RULES, NOW)
    changed = CATALOG.replace('quantity: "12.5"', 'quantity: "13"')
    with pytest.raises(CatalogRefused, match=r"onboarding of acme \(INV-000002\)"):
        publish(drafts, changed)
    # Not finalised yet, or no longer in the catalog: neither is refused.
    publish(drafts, CATALOG.replace('"10.00"', '"11.00"').split("  - id: alone")[0])


def test_marts_and_explanations_hold_them(drafts: Pipeline) -> None:
    # The whole project with its tests: revenue of no contract and no plan is revenue all the same.
    drafts.build(datetime(2026, 3, 9, 23, 30, tzinfo=UTC))
    (explanation,) = explain(drafts.warehouse, "acme:manual:onboarding")
    assert explanation.invoice.kind == "manual"
    (migration,) = explanation.steps_of(explanation.lines[1])
    assert (migration.quantity, migration.unit_amount) == (Decimal("12.5"), 180)
    (tax,) = explanation.steps_of(explanation.lines[4])
    assert (tax.quantity, tax.unit_amount) == (1350 + 2025, Decimal("0.19"))
    revenue = drafts.rows(
        "select customer_id, sum(revenue) as revenue from marts.fct_line_margins"
        " where invoice_id like '%:manual:%' group by customer_id order by customer_id"
    )
    assert [(row.customer_id, row.revenue) for row in revenue] == [("acme", 3600), ("alone", 5000)]
