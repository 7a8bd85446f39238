"""A parent pays for its children: their usage, their own contracts, their own invoices."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from assets.invoicing.approval import approve
from assets.invoicing.closing import ClosingRules
from assets.rehearsals.preview import preview
from connectors.stripe_invoices import StripeInvoices
from models.catalog import load_catalog
from sandbox.stripe.server import StripeSandbox
from tests.integration.posting_bench import in_stripe, post
from tests.integration.test_invoicing import INVOICES, is_same_when_recomputed, lines, publish
from tests.pipeline import Pipeline

CATALOG = """
dimensions:
  - {id: calls, name: Calls, aggregation: sum}
taxes:
  - {id: vat, name: VAT, percent: "20"}
plans:
  - id: payg
    currency: EUR
    charges:
      - id: calls
        dimension: calls
        price: {model: graduated, tiers: [{up_to: 100, unit_amount: 1}, {unit_amount: "0.5"}]}
customers:
  - id: acme
    tax: vat
    contracts: [{id: acme, plan: payg, start: 2026-08-01}]
  - {id: lab, parent: acme, bill_to: parent}
  - id: shop
    parent: acme
    bill_to: parent
    contracts:
      - id: shop
        plan: payg
        start: 2026-08-01
        overrides: [{charge: calls, price: {model: per_unit, unit_amount: "0.80"}}]
    invoices:
      - {id: setup, date: 2026-08-15, lines: [{description: Setup, amount: 10}]}
"""
APART = CATALOG.replace(
    "  - {id: lab, parent: acme, bill_to: parent}",
    "  - {id: lab, contracts: [{id: lab, plan: payg, start: 2026-08-01}]}",
).replace("    parent: acme\n    bill_to: parent\n", "    parent: acme\n")
RULES = ClosingRules(grace=timedelta(days=1), usage_sources=("gateway",), approves_itself=False)
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def usage(record_id: str, tenant: str, day: str, value: str) -> dict:
    return {
        "id": record_id,
        "timestamp": f"{day}T12:00:00Z",
        "tenant_id": tenant,
        "dimension_id": "calls",
        "value": value,
    }


@pytest.fixture
def august(pipeline: Pipeline) -> Pipeline:
    publish(pipeline, CATALOG)
    pipeline.deliver(
        "gateway",
        [
            usage("a", "acme", "2026-08-10", "80"),
            usage("l", "lab", "2026-08-10", "60"),
            usage("s", "shop", "2026-08-10", "50"),
        ],
    )
    return pipeline


def test_the_parent_gets_the_invoices_and_the_children_earn_them(
    august: Pipeline, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    august.build(datetime(2026, 9, 3, tzinfo=UTC))
    found = august.rows(
        "select invoice_id, customer_id, for_customer_id, total from marts.fct_invoices"
        " where period_start < '2026-09-01' order by invoice_id"
    )
    assert [tuple(row) for row in found] == [
        ("acme:2026-08-01", "acme", "acme", Decimal("144.000")),
        ("shop:2026-08-01", "acme", "shop", Decimal("48.000")),
        ("shop:manual:setup", "acme", "shop", Decimal("12.000")),
    ]
    earned = august.rows(
        "select customer_id, sum(revenue) as revenue from marts.fct_customer_margins_monthly"
        " where margin_month = '2026-08-01' group by customer_id order by customer_id"
    )
    assert [(row.customer_id, str(row.revenue)) for row in earned] == [
        ("acme", "68.571428571429"),
        ("lab", "51.428571428571"),
        ("shop", "50.000000000000"),
    ]
    assert not august.rows("select 1 from marts.fct_unassigned_usage")
    for customer, total in (("acme", 204), ("shop", 60)):
        shown = preview(
            august.warehouse,
            load_catalog(august.directory / "catalog"),
            customer,
            datetime(2026, 9, 3, tzinfo=UTC),
            "adjust",
            august.directory / "preview",
        )
        assert sum(invoice.header["total"] for invoice in shown.invoices) == total

    august.close(RULES, NOW)
    approve(august.warehouse, ["shop:2026-08-01", "acme:2026-08-01"], "test", NOW)
    for invoice_id in ("shop:2026-08-01", "acme:2026-08-01"):
        post(august.warehouse, stripe, sandbox, invoice_id)
    [customer] = in_stripe(sandbox, "customer")
    assert {invoice["customer"] for invoice in in_stripe(sandbox, "invoice")} == {customer["id"]}
    assert is_same_when_recomputed(august, "shop:2026-08-01")


def test_children_who_pay_themselves_do_so_from_their_open_periods_on(august: Pipeline) -> None:
    august.build(datetime(2026, 9, 3, tzinfo=UTC), *INVOICES)
    august.close(RULES, NOW)
    publish(august, APART)
    august.deliver(
        "gateway",
        [
            usage("late", "lab", "2026-08-20", "10"),
            usage("l9", "lab", "2026-09-10", "7"),
            usage("s-late", "shop", "2026-08-20", "10"),
        ],
        "more",
    )
    august.build(datetime(2026, 10, 3, tzinfo=UTC), *INVOICES)
    # What came late for the parent's invoice is the parent's, by the tiers of all usage.
    assert lines(august, "acme:2026-09-01") == [
        ("adjustment", "acme:2026-08-01/usage/calls/1", "5.000"),
        ("tax", "vat", "1.000"),
    ]
    assert lines(august, "lab:2026-09-01") == [("usage", "calls", "7.000")]
    # The contract's next invoice adjusts the last one, also where another one pays it.
    assert lines(august, "shop:2026-09-01") == [
        ("adjustment", "shop:2026-08-01/usage/calls/1", "8.000")
    ]
    paid = august.rows(
        "select distinct customer_id from marts.fct_invoices where invoice_id = 'shop:2026-09-01'"
    )
    assert [row.customer_id for row in paid] == ["shop"]
