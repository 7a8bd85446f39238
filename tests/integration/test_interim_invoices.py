"""A period that is cut: its parts are invoiced one after the other, and nothing twice."""

from datetime import UTC, date, datetime, timedelta

from assets.invoicing.closing import ClosingRules, close_period
from tests.integration.test_invoicing import INVOICES, is_same_when_recomputed, lines, publish
from tests.pipeline import Pipeline

CATALOG = """
dimensions:
  - {id: calls, aggregation: sum}
plans:
  - id: payg
    currency: USD
    charges:
      - {id: calls, dimension: calls, price: {model: per_unit, unit_amount: "0.10"}}
      - {id: platform, price: {model: flat, amount: "30.00"}}
customers:
  - id: acme
    timezone: America/New_York
    contracts: [{id: acme, plan: payg, start: 2026-06-01, interim_invoices: [2026-06-20]}]
"""
RULES = ClosingRules(grace=timedelta(days=1), usage_sources=("gateway",), approves_itself=False)
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def usage(record_id: str, timestamp: str, value: str) -> dict:
    return {
        "id": record_id,
        "timestamp": timestamp,
        "tenant_id": "acme",
        "dimension_id": "calls",
        "value": value,
    }


def closed(pipeline: Pipeline) -> list[str]:
    report = close_period(pipeline.warehouse, RULES, date(2026, 6, 1), NOW)
    return [invoice_id for invoice_id, _ in report.finalised]


def test_the_parts_of_a_period_come_to_what_it_comes_to(pipeline: Pipeline) -> None:
    publish(pipeline, CATALOG)
    pipeline.deliver(
        "gateway",
        [
            # The 20th begins at four o'clock UTC.
            usage("a", "2026-06-20T03:59:59Z", "200"),
            usage("b", "2026-06-20T04:00:00Z", "100"),
        ],
    )
    pipeline.build(datetime(2026, 6, 21, tzinfo=UTC), *INVOICES)
    assert closed(pipeline) == []
    pipeline.build(datetime(2026, 6, 22, tzinfo=UTC), *INVOICES)
    assert closed(pipeline) == ["acme:2026-06-01"]
    assert lines(pipeline, "acme:2026-06-01") == [
        ("usage", "calls", "20.000"),
        ("fee", "platform", "19.000"),
    ]
    pipeline.deliver("gateway", [usage("late", "2026-06-10T00:00:00Z", "50")], "late")
    # The cut is taken out of the catalog again: what is invoiced stays so.
    publish(pipeline, CATALOG.replace(", interim_invoices: [2026-06-20]", ""))
    pipeline.build(datetime(2026, 7, 3, tzinfo=UTC), *INVOICES)
    assert closed(pipeline) == ["acme:2026-06-20"]
    assert lines(pipeline, "acme:2026-06-20") == [
        ("usage", "calls", "10.000"),
        ("fee", "platform", "11.000"),
        ("adjustment", "acme:2026-06-01/usage/calls/1", "5.000"),
    ]
    assert is_same_when_recomputed(pipeline, "acme:2026-06-01")
