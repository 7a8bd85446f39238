"""Taxes of invoices that follow each other: a rate changes, usage comes late, Stripe takes over."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from assets.invoicing.closing import ClosingRules
from assets.invoicing.recompute import SELECTION, compare_recomputation, prepare_recomputation
from connectors.dbt import run_project
from tests.conftest import fresh_pipeline
from tests.pipeline import Pipeline

INVOICES = ("+jnl_delivery_counts", "+fct_invoices", "+fct_invoice_lines")
CATALOG = """
dimensions:
  - {id: calls, name: API calls, unit: call, aggregation: sum}
taxes:
  - {id: vat, name: VAT, percent: "19", country: DE, to: 2026-09-01, inclusive: true}
  - {id: vat, name: VAT, percent: "16", country: DE, from: 2026-09-01, inclusive: true}
plans:
  - id: payg
    currency: EUR
    charges: [{id: calls, dimension: calls, price: {model: per_unit, unit_amount: "0.119"}}]
customers:
  - id: acme
    country: DE
    contracts: [{id: acme, plan: payg, start: 2026-08-01}]
"""
TO_STRIPE = CATALOG.replace("    country: DE\n", "    country: DE\n    stripe_tax: true\n")
RULES = ClosingRules(grace=timedelta(0), usage_sources=(), approves_itself=False)


def usage(record_id: str, timestamp: str, value: str) -> dict:
    return {
        "id": record_id,
        "timestamp": timestamp,
        "tenant_id": "acme",
        "dimension_id": "calls",
        "value": value,
    }


def publish(pipeline: Pipeline, catalog: str) -> None:
    folder = pipeline.directory / "catalog"
    folder.mkdir(exist_ok=True)
    (folder / "catalog.yml").write_text(catalog)
    pipeline.publish(folder)


def shown(pipeline: Pipeline, invoice_id: str) -> list[tuple[str, str, str, str]]:
    """Return kind, amount, contained taxes and words of an invoice's lines."""
    return [
        (row.kind, str(row.amount), str(row.tax_included), row.description)
        for row in pipeline.rows(
            "select kind, amount, tax_included, description from marts.fct_invoice_lines"
            f" where invoice_id = '{invoice_id}' order by line_number"
        )
    ]


@pytest.fixture(scope="module")
def pipeline(postgres, prepared_template, tmp_path_factory) -> Iterator[Pipeline]:
    with fresh_pipeline(postgres, prepared_template, tmp_path_factory.mktemp("taxes")) as made:
        yield made


def test_taxes_follow_their_invoice(pipeline: Pipeline) -> None:
    publish(pipeline, CATALOG)
    pipeline.deliver("gateway", [usage("a", "2026-08-10T00:00:00Z", "1000")], "august")
    pipeline.build(datetime(2026, 9, 1, 12, tzinfo=UTC), *INVOICES)
    report = pipeline.close(RULES, datetime(2026, 9, 1, 12, tzinfo=UTC))
    assert [invoice_id for invoice_id, _ in report.finalised] == ["acme:2026-08-01"]
    august = [
        ("usage", "119.000", "19.000", "API calls"),
        ("tax", "0.000", "0.000", "Including VAT 19 %: 19.00 EUR"),
    ]
    assert shown(pipeline, "acme:2026-08-01") == august

    # Usage of August comes late: the adjustment has the rate of the invoice that it is on.
    pipeline.deliver(
        "gateway",
        [usage("b", "2026-08-11T00:00:00Z", "100"), usage("c", "2026-09-10T00:00:00Z", "1000")],
        "september",
    )
    pipeline.build(datetime(2026, 9, 20, tzinfo=UTC), *INVOICES)
    assert shown(pipeline, "acme:2026-09-01") == [
        ("usage", "119.000", "16.420", "API calls"),
        ("adjustment", "11.900", "1.640", "API calls, adjusting invoice INV-000001"),
        ("tax", "0.000", "0.000", "Including VAT 16 %: 18.06 EUR"),
    ]

    # Stripe Tax takes over what is not finalised; every check of the project holds.
    publish(pipeline, TO_STRIPE)
    pipeline.build(datetime(2026, 9, 20, tzinfo=UTC))
    assert shown(pipeline, "acme:2026-08-01") == august
    assert shown(pipeline, "acme:2026-09-01") == [
        ("usage", "119.000", "0.000", "API calls"),
        ("adjustment", "11.900", "0.000", "API calls, adjusting invoice INV-000001"),
    ]
    totals = pipeline.rows(
        "select subtotal, tax, tax_included, total from marts.fct_invoices order by invoice_id"
    )
    assert [tuple(map(str, row)) for row in totals] == [
        ("119.000", "0.000", "19.000", "119.000"),
        ("130.900", "0.000", "0.000", "130.900"),
    ]
    revenue = pipeline.rows(
        "select revenue from marts.fct_line_margins order by invoice_id, line_number"
    )
    assert [row.revenue for row in revenue] == [100, 119, Decimal("11.9")]

    prepare_recomputation(pipeline.warehouse, "acme:2026-08-01")
    results = run_project(
        ["run", "--select", *SELECTION], pipeline.directory / "recompute", "recompute"
    )
    assert all(result.is_successful for result in results)
    assert compare_recomputation(pipeline.warehouse, "acme:2026-08-01").is_same
