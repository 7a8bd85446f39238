"""Credits from yml to invoices, and the ledger that they leave."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from assets.catalog.refusals.errors import CatalogRefused
from assets.invoicing.approval import InvoiceStateError
from assets.invoicing.closing import ClosingRules
from tests.integration.test_invoicing import is_same_when_recomputed, lines, publish, usage
from tests.pipeline import Pipeline, record_void

CATALOG = """
dimensions:
  - {id: calls, name: Calls, aggregation: sum}
plans:
  - id: payg
    currency: USD
    charges:
      - {id: calls, dimension: calls, price: {model: per_unit, unit_amount: "1"}}
customers:
  - id: acme
    contracts:
      - id: acme
        plan: payg
        start: 2026-08-01
        credits:
          - {id: monthly, amount: 100, every_periods: 1, rollover: {amount: 40}}
          - {id: gift, amount: 50, priority: 1, expires: 2026-09-20}
"""
RULES = ClosingRules(grace=timedelta(days=1), usage_sources=("gateway",), approves_itself=False)
NOW = datetime(2026, 11, 21, tzinfo=UTC)
INVOICES = (
    *("+jnl_delivery_counts", "+fct_invoices", "+fct_invoice_lines", "+fct_credit_entries"),
    *("+credit_transactions_add_up_to_zero", "+credit_balances_are_never_below_zero"),
)


def used(day: str, value: str) -> dict:
    return usage(f"{day}-{value}", f"{day}T12:00:00Z", value)


def balance(pipeline: Pipeline, instant: str, account: str = "available") -> Decimal:
    """Return what an account of all grants holds at an instant."""
    [row] = pipeline.rows(
        "select coalesce(sum(amount), 0) as amount from marts.fct_credit_entries"
        f" where account = '{account}' and booked_at <= '{instant}'"
    )
    return row.amount


@pytest.fixture
def rated(pipeline: Pipeline) -> Pipeline:
    publish(pipeline, CATALOG)
    records = [used("2026-08-10", "30"), used("2026-09-10", "120"), used("2026-10-02", "10")]
    pipeline.deliver("gateway", records)
    pipeline.build(datetime(2026, 10, 5, tzinfo=UTC), *INVOICES)
    return pipeline


def test_what_is_left_of_a_grant_pays_the_next_period(rated: Pipeline) -> None:
    assert lines(rated, "acme:2026-08-01") == [
        ("usage", "calls", "30.000"),
        ("credit", "monthly:2026-08-01", "-30.000"),
    ]
    assert lines(rated, "acme:2026-09-01") == [
        ("usage", "calls", "120.000"),
        ("credit", "monthly:2026-08-01:rollover", "-40.000"),
        ("credit", "monthly:2026-09-01", "-60.000"),
        ("credit", "monthly:2026-09-01:rollover", "-20.000"),
    ]
    assert lines(rated, "acme:2026-10-01") == [
        ("usage", "calls", "10.000"),
        ("credit", "monthly:2026-09-01:rollover", "-10.000"),
    ]


def test_the_ledger_has_a_balance_at_any_instant(rated: Pipeline) -> None:
    assert balance(rated, "2026-07-31T23:59:59Z") == 0
    assert balance(rated, "2026-08-31T23:59:59Z") == 150
    # August has spent 30.00 and lost 30.00; September is granted 100.00.
    assert balance(rated, "2026-09-01") == 190
    assert balance(rated, "2026-09-20") == 140
    # Of September 20.00 roll over, October is granted 100.00, and has used 10.00 by now.
    assert balance(rated, "2026-10-01") == 120
    assert balance(rated, "2026-10-05") == 110
    assert balance(rated, "2026-10-05", "spent") == 160
    assert balance(rated, "2026-10-05", "expired") == 80


def test_closed_grants_stay_and_void_ones_are_reversed(rated: Pipeline) -> None:
    rated.close(RULES, NOW)
    publish(rated, CATALOG.replace("amount: 100", "amount: 70"))
    rated.build(datetime(2026, 10, 5, tzinfo=UTC), *INVOICES)
    # September was closed with 100.00, October is open and granted 70.00.
    assert lines(rated, "acme:2026-10-01") == [
        ("usage", "calls", "10.000"),
        ("credit", "monthly:2026-09-01:rollover", "-10.000"),
    ]
    assert balance(rated, "2026-10-05") == 80
    assert is_same_when_recomputed(rated, "acme:2026-09-01")
    record_void(rated.warehouse, "acme:2026-09-01", "tester", NOW)
    rated.build(datetime(2026, 10, 5, tzinfo=UTC), *INVOICES)
    assert lines(rated, "acme:2026-09-01:2") == [
        ("usage", "calls", "120.000"),
        ("credit", "monthly:2026-08-01:rollover", "-40.000"),
        ("credit", "monthly:2026-09-01", "-30.000"),
        ("credit", "monthly:2026-09-01:rollover", "-40.000"),
        ("credit", "gift", "-10.000"),
    ]
    assert lines(rated, "acme:2026-10-01") == [
        ("usage", "calls", "10.000"),
        ("credit", "monthly:2026-10-01", "-10.000"),
    ]
    kinds = rated.rows(
        "select kind, count(*) as entries from marts.fct_credit_entries"
        " where invoice_id = 'acme:2026-09-01' group by kind order by kind"
    )
    assert [tuple(row) for row in kinds] == [("reversal", 6), ("spending", 6)]
    assert balance(rated, "2026-10-05") == 60


def test_a_period_whose_grant_is_spent_is_not_voided_before_what_spent_it(rated: Pipeline) -> None:
    rated.build(datetime(2026, 11, 5, tzinfo=UTC), *INVOICES)
    rated.close(RULES, NOW)
    august, september, october = (f"acme:2026-{month}-01" for month in ("08", "09", "10"))
    with pytest.raises(InvoiceStateError, match="of INV-000001 is spent by INV-000002: void"):
        record_void(rated.warehouse, august, "tester", NOW)
    with pytest.raises(InvoiceStateError, match="of INV-000002 is spent by INV-000003: void"):
        record_void(rated.warehouse, september, "tester", NOW)
    for invoice_id in (october, september, august):
        record_void(rated.warehouse, invoice_id, "tester", NOW)


def test_what_is_granted_for_several_periods_is_not_moved_once_one_is_closed(
    pipeline: Pipeline,
) -> None:
    yearly = CATALOG.replace("every_periods: 1", "every_periods: 12")
    start = "start: 2026-08-01"
    moved = {
        yearly.replace(start, "start: 2026-07-01\n        anchor_day: 1"): (
            r"from was 2026-08-01, the first day billed was 2026-08-01\)"
        ),
        yearly.replace("every_periods: 12", "every_periods: 12, from: 2026-09-01"): (
            r"from was 2026-08-01\)"
        ),
        CATALOG: r"every_periods was 12\)",
        yearly.replace(start, f"{start}\n        anchor_day: 15"): r"anchor_day was 1\)",
        yearly.replace("currency: USD", "currency: USD\n    interval: quarter"): (
            r"interval was month\)"
        ),
    }
    publish(pipeline, yearly)
    publish(pipeline, next(iter(moved)))
    publish(pipeline, yearly)
    pipeline.deliver("gateway", [used("2026-08-10", "30")])
    pipeline.build(datetime(2026, 9, 5, tzinfo=UTC), *INVOICES)
    pipeline.close(RULES, NOW)
    for catalog, reason in moved.items():
        with pytest.raises(CatalogRefused, match=rf"monthly of acme \({reason}"):
            publish(pipeline, catalog)
    # What it comes to, and whether it goes on, is free.
    publish(pipeline, yearly.replace("amount: 100", "amount: 70"))
    publish(pipeline, yearly.replace("id: monthly", "id: another"))
    record_void(pipeline.warehouse, "acme:2026-08-01", "tester", NOW)
    publish(pipeline, next(iter(moved)))


def test_what_is_granted_with_every_period_may_be_moved(rated: Pipeline) -> None:
    rated.close(RULES, NOW)
    publish(rated, CATALOG.replace("every_periods: 1,", "every_periods: 1, from: 2026-10-01,"))
