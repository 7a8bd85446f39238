"""Discounts, bounds of charges, a commitment and a limited credit, from yml to invoice lines."""

from datetime import UTC, datetime, timedelta

import pytest

from assets.catalog.refusals.errors import CatalogRefused
from assets.invoicing.closing import ClosingRules
from tests.integration.test_invoicing import INVOICES, is_same_when_recomputed, lines, publish
from tests.pipeline import Pipeline, record_void

CATALOG = """
dimensions:
  - {id: calls, name: Calls, aggregation: sum}
  - {id: data, name: Data, aggregation: sum}
plans:
  - id: full
    currency: USD
    charges:
      - {id: calls, dimension: calls, price: {model: per_unit, unit_amount: "0.10"}}
      - {id: data, dimension: data, minimum: 20, maximum: 50,
         price: {model: per_unit, unit_amount: 1}}
      - {id: platform, price: {model: flat, amount: 100, timing: advance}}
  - id: bare
    currency: USD
    charges:
      - {id: calls, dimension: calls, price: {model: per_unit, unit_amount: "0.10"}}
customers:
  - id: acme
    contracts:
      - id: acme
        plan: full
        start: 2026-08-01
        end: 2026-11-01
        discounts: [{percent: 10, charges: [calls]}, {amount: 30, max_periods: 2}]
        commitments: [{amount: 250, overage_factor: "1.2"}]
        credits: [{id: usage, amount: 100, applies_to: [calls, data]}]
  - id: small
    contracts:
      - id: small
        plan: bare
        start: 2026-08-01
        commitments: [{amount: 500, to: 2026-10-01}]
  - id: prepaid
    contracts:
      - id: prepaid
        plan: bare
        start: 2026-08-01
        end: 2026-12-01
        commitments: [{amount: 100, instalments: 2, overage_factor: "1.2"}]
  - id: tried
    contracts:
      - id: tried
        plan: bare
        start: 2026-08-01
        trial_allowance: {units: [{charge: calls, quantity: 100}]}
"""
RULES = ClosingRules(grace=timedelta(days=1), usage_sources=("gateway",), approves_itself=False)
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def usage(record_id: str, day: str, dimension: str, value: str, tenant: str = "acme") -> dict:
    return {
        "id": record_id,
        "timestamp": f"{day}T12:00:00Z",
        "tenant_id": tenant,
        "dimension_id": dimension,
        "value": value,
    }


@pytest.fixture
def drafts(pipeline: Pipeline) -> Pipeline:
    publish(pipeline, CATALOG)
    pipeline.deliver(
        "gateway",
        [
            usage("a1", "2026-08-10", "calls", "1000"),
            usage("a2", "2026-08-10", "data", "70"),
            usage("a3", "2026-09-10", "calls", "100"),
            usage("a4", "2026-10-01", "calls", "2000"),
            usage("s1", "2026-08-10", "calls", "100", "small"),
            usage("p1", "2026-08-10", "calls", "100", "prepaid"),
            usage("p2", "2026-10-01", "calls", "2000", "prepaid"),
            usage("t1", "2026-08-10", "calls", "80", "tried"),
            usage("t2", "2026-09-10", "calls", "90", "tried"),
            usage("t3", "2026-10-01", "calls", "50", "tried"),
        ],
    )
    pipeline.build(datetime(2026, 10, 3, tzinfo=UTC), *INVOICES)
    return pipeline


def test_the_terms_of_a_contract_come_out_in_their_order(drafts: Pipeline) -> None:
    assert lines(drafts, "acme:2026-08-01") == [
        ("usage", "calls", "100.000"),
        ("discount", "1", "-10.000"),
        # 30.00 are shared by 90.00, 70.00 and 100.00; the fee of September takes its 30.00 alone.
        ("discount", "2", "-10.380"),
        ("usage", "data", "70.000"),
        ("discount", "2", "-8.080"),
        ("discount", "data", "-11.920"),
        ("fee", "platform", "100.000"),
        ("discount", "2", "-11.540"),
        ("fee", "platform", "100.000"),
        ("discount", "2", "-30.000"),
        # The credit pays calls (79.62) and data (20.38 of 50.00), and not the fees.
        ("credit", "usage", "-100.000"),
    ]
    # Used are 218.08 in August, and 9.00 + 20.00 + 70.00 in September: 67.08 beyond 250.00.
    assert lines(drafts, "acme:2026-09-01") == [
        ("usage", "calls", "10.000"),
        ("discount", "1", "-1.000"),
        ("minimum", "data", "20.000"),
        ("fee", "platform", "100.000"),
        ("commitment", "1", "13.420"),
    ]
    assert lines(drafts, "acme:2026-10-01") == [
        ("usage", "calls", "200.000"),
        ("discount", "1", "-20.000"),
        ("minimum", "data", "20.000"),
        ("commitment", "1", "60.000"),
    ]


def test_instalments_are_paid_in_advance_and_drawn_down(drafts: Pipeline) -> None:
    assert lines(drafts, "prepaid:2026-08-01") == [
        ("usage", "calls", "10.000"),
        ("commitment", "1", "-10.000"),
        ("commitment", "1", "50.000"),
    ]
    assert lines(drafts, "prepaid:2026-09-01") == [("commitment", "1", "50.000")]
    # Of 200.00, 90.00 are left of the commitment, and 110.00 cost 22.00 more.
    assert lines(drafts, "prepaid:2026-10-01") == [
        ("usage", "calls", "200.000"),
        ("commitment", "1", "22.000"),
        ("commitment", "1", "-90.000"),
    ]


def test_late_usage_counts_for_what_later_periods_have_left(drafts: Pipeline) -> None:
    assert lines(drafts, "small:2026-09-01") == [("commitment", "1", "490.000")]
    assert lines(drafts, "tried:2026-09-01") == [("usage", "calls", "7.000")]
    drafts.close(RULES, NOW)
    late = [
        usage("s2", "2026-08-31", "calls", "150", "small"),
        usage("t4", "2026-08-31", "calls", "15", "tried"),
    ]
    drafts.deliver("gateway", late, "late")
    drafts.build(datetime(2026, 10, 4, tzinfo=UTC), *INVOICES)
    assert lines(drafts, "small:2026-10-01") == [
        ("adjustment", "small:2026-08-01/usage/calls/1", "15.000"),
        ("adjustment", "small:2026-09-01/commitment/1/remainder", "-15.000"),
    ]
    # Of the trial's units, 95 are August's now, which leaves 5 for September instead of 20.
    assert lines(drafts, "tried:2026-10-01") == [
        ("usage", "calls", "5.000"),
        ("adjustment", "tried:2026-09-01/usage/calls/1", "1.500"),
    ]
    assert is_same_when_recomputed(drafts, "tried:2026-09-01")
    assert is_same_when_recomputed(drafts, "small:2026-09-01")
    assert is_same_when_recomputed(drafts, "acme:2026-09-01")


def test_a_contract_keeps_the_currency_of_the_invoices_that_stand(drafts: Pipeline) -> None:
    in_euro = CATALOG.replace("id: bare\n    currency: USD", "id: bare\n    currency: EUR")
    publish(drafts, in_euro)
    publish(drafts, CATALOG)
    drafts.build(datetime(2026, 9, 3, tzinfo=UTC), *INVOICES)
    drafts.close(RULES, NOW)
    with pytest.raises(CatalogRefused, match=r"small \(invoiced in USD, its plan is in EUR\)"):
        publish(drafts, in_euro)
    for contract in ("small", "prepaid", "tried"):
        record_void(drafts.warehouse, f"{contract}:2026-08-01", "tester", NOW)
    publish(drafts, in_euro)


def test_instalments_may_change_within_the_term_and_not_go(drafts: Pipeline) -> None:
    drafts.close(RULES, NOW)
    instalments = "{amount: 100, instalments: 2, "
    with pytest.raises(CatalogRefused, match=r"prepaid \(of 2026-08-01, INV-\d+\), prepaid \(of"):
        publish(drafts, CATALOG.replace(instalments, "{amount: 100, "))
    publish(drafts, CATALOG.replace(instalments, "{amount: 200, instalments: 4, "))
    drafts.build(datetime(2026, 10, 4, tzinfo=UTC), *INVOICES)
    # Due until November are 200.00; the invoices of August and September billed 100.00 of them.
    assert lines(drafts, "prepaid:2026-10-01") == [
        ("usage", "calls", "200.000"),
        ("commitment", "1", "2.000"),
        ("commitment", "1", "-190.000"),
        ("commitment", "1", "100.000"),
    ]
    assert is_same_when_recomputed(drafts, "prepaid:2026-09-01")
