"""Wallets: top-ups are invoices of their own, and what they buy pays the periods."""

from datetime import UTC, date, datetime, timedelta

import pytest

from assets.invoicing.approval import InvoiceStateError
from assets.invoicing.closing import ClosingRules
from assets.invoicing.recompute import prepare_recomputation
from assets.retention.archiving import archive_journal
from orchestration.schedules import months_to_close
from tests.integration.test_credits import INVOICES, balance, used
from tests.integration.test_invoicing import is_same_when_recomputed, lines, publish
from tests.pipeline import Pipeline, record_void

CATALOG = """
dimensions:
  - {id: calls, name: Calls, aggregation: sum}
taxes:
  - {id: vat, percent: 20}
plans:
  - id: payg
    currency: USD
    charges:
      - {id: calls, dimension: calls, price: {model: per_unit, unit_amount: "1"}}
customers:
  - id: acme
    tax: vat
    contracts:
      - id: acme
        plan: payg
        start: 2026-08-01
        wallets:
          - id: prepaid
            top_ups: [{date: 2026-08-01, amount: 100}, {date: 2026-08-20, amount: 50}]
"""
AUTOMATIC = CATALOG.replace(
    "top_ups: [{date: 2026-08-01, amount: 100}, {date: 2026-08-20, amount: 50}]",
    "automatic: {below: 20, amount: 100}",
)
RULES = ClosingRules(grace=timedelta(days=1), usage_sources=("gateway",), approves_itself=True)
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def built(pipeline: Pipeline, instant: str) -> None:
    pipeline.build(datetime.fromisoformat(instant).replace(tzinfo=UTC), *INVOICES)


def closed(pipeline: Pipeline) -> list[str]:
    return [invoice_id for invoice_id, _ in pipeline.close(RULES, NOW).finalised]


def test_a_top_up_is_invoiced_on_its_day_taxed_once_and_spent(pipeline: Pipeline) -> None:
    publish(pipeline, CATALOG)
    pipeline.deliver("gateway", [used("2026-08-10", "130")])
    built(pipeline, "2026-08-19T12:00:00")
    first = "acme:top_up:prepaid:2026-08-01"
    assert lines(pipeline, first) == [
        ("top_up", "prepaid:2026-08-01", "100.000"),
        ("tax", "vat", "20.000"),
    ]
    # The running period has spent all there is: the second top-up has not begun.
    assert balance(pipeline, "2026-08-19T12:00:00") == 0
    assert closed(pipeline) == [first]
    queued = pipeline.rows("select invoice_id, state from billing.outbox")
    assert [tuple(row) for row in queued] == [(first, "pending")]

    pipeline.deliver("gateway", [used("2026-09-10", "45")], "september")
    built(pipeline, "2026-10-05T12:00:00")
    second = "acme:top_up:prepaid:2026-08-20"
    assert closed(pipeline) == [second, "acme:2026-08-01", "acme:2026-09-01"]
    assert lines(pipeline, "acme:2026-08-01") == [
        ("usage", "calls", "130.000"),
        ("credit", "prepaid:2026-08-01", "-100.000"),
        ("credit", "prepaid:2026-08-20", "-30.000"),
    ]
    assert lines(pipeline, "acme:2026-09-01") == [
        ("usage", "calls", "45.000"),
        ("credit", "prepaid:2026-08-20", "-20.000"),
        ("tax", "vat", "5.000"),
    ]

    # What was invoiced stays, whatever the catalog says of it now.
    publish(pipeline, CATALOG.replace("amount: 100}", "amount: 7}"))
    built(pipeline, "2026-10-06T12:00:00")
    assert balance(pipeline, "2026-08-20T00:00:00") == 150
    assert balance(pipeline, "2026-10-06T12:00:00") == 0
    assert closed(pipeline) == []
    assert is_same_when_recomputed(pipeline, second)
    assert is_same_when_recomputed(pipeline, "acme:2026-08-01")


def test_a_top_up_that_is_spent_is_not_voided(pipeline: Pipeline) -> None:
    publish(pipeline, CATALOG)
    pipeline.deliver("gateway", [used("2026-08-10", "30")])
    built(pipeline, "2026-09-05T12:00:00")
    first, second, period = closed(pipeline)
    with pytest.raises(InvoiceStateError, match="the credit of INV-000001 is spent by INV-000003"):
        record_void(pipeline.warehouse, first, "tester", NOW)
    record_void(pipeline.warehouse, second, "tester", NOW)
    record_void(pipeline.warehouse, period, "tester", NOW)
    record_void(pipeline.warehouse, first, "tester", NOW)
    # The catalog names one of them no more: the other is a draft again.
    publish(pipeline, CATALOG.replace(", {date: 2026-08-20, amount: 50}", ""))
    built(pipeline, "2026-09-05T12:00:00")
    assert closed(pipeline) == [f"{first}:2", f"{period}:2"]
    assert balance(pipeline, "2026-09-05T12:00:00") == 70


def test_a_wallet_tops_itself_up_once_for_what_is_missing(pipeline: Pipeline) -> None:
    publish(pipeline, AUTOMATIC)
    built(pipeline, "2026-08-01T12:00:00")
    first = "acme:top_up:prepaid:automatic:1"
    assert lines(pipeline, first)[0] == ("top_up", "prepaid:automatic:1", "100.000")
    # It waits for no end of the month.
    assert months_to_close(pipeline.warehouse, datetime(2026, 8, 1, 13, tzinfo=UTC)) == [
        date(2026, 8, 1)
    ]
    # Before it is closed it is the same one; after that, there is enough.
    built(pipeline, "2026-08-02T12:00:00")
    assert closed(pipeline) == [first]
    built(pipeline, "2026-08-02T13:00:00")
    assert closed(pipeline) == []
    assert balance(pipeline, "2026-08-02T13:00:00") == 100

    pipeline.deliver("gateway", [used("2026-08-03", "80"), used("2026-09-01", "10")])
    built(pipeline, "2026-08-03T13:00:00")
    assert closed(pipeline) == []
    pipeline.deliver("gateway", [used("2026-08-04", "230")], "more")
    built(pipeline, "2026-08-04T13:00:00")
    assert lines(pipeline, "acme:2026-08-01")[1] == ("credit", "prepaid:automatic:1", "-100.000")
    second = "acme:top_up:prepaid:automatic:2"
    # 210.00 are owed and 20.00 are to be left.
    assert lines(pipeline, second)[0] == ("top_up", "prepaid:automatic:2", "300.000")
    assert closed(pipeline) == [second]
    built(pipeline, "2026-08-04T14:00:00")
    assert closed(pipeline) == []
    assert balance(pipeline, "2026-08-04T14:00:00") == 90
    assert lines(pipeline, "acme:2026-08-01")[1:] == [
        ("credit", "prepaid:automatic:1", "-100.000"),
        ("credit", "prepaid:automatic:2", "-210.000"),
    ]
    assert is_same_when_recomputed(pipeline, second)


def test_an_automatic_top_up_that_is_voided_is_not_made_again_in_the_same_period(
    pipeline: Pipeline,
) -> None:
    publish(pipeline, AUTOMATIC)
    built(pipeline, "2026-08-01T12:00:00")
    [top_up] = closed(pipeline)
    record_void(pipeline.warehouse, top_up, "tester", datetime(2026, 8, 2, tzinfo=UTC))
    built(pipeline, "2026-08-31T12:00:00")
    assert closed(pipeline) == []
    built(pipeline, "2026-09-01T12:00:00")
    assert f"{top_up}:2" in closed(pipeline)


def test_an_automatic_top_up_waits_for_credit_that_is_carried_on(pipeline: Pipeline) -> None:
    publish(pipeline, AUTOMATIC)
    pipeline.deliver("gateway", [used("2026-08-10", "200")])
    built(pipeline, "2026-09-02T12:00:00")
    first = "acme:top_up:prepaid:automatic:1"
    assert closed(pipeline) == ["acme:2026-08-01", first]
    # All of August is taken back, and more than what the wallet has is used in October.
    pipeline.deliver("gateway", [used("2026-08-11", "-200"), used("2026-10-01", "150")], "late")
    # September, which carries it on, is held for its grace.
    built(pipeline, "2026-10-01T13:00:00")
    assert closed(pipeline) == []
    built(pipeline, "2026-10-03T12:00:00")
    assert closed(pipeline) == ["acme:2026-09-01"]
    # With what is carried on, there is enough.
    built(pipeline, "2026-10-03T13:00:00")
    assert closed(pipeline) == []


def test_an_automatic_top_up_over_an_archive_is_not_recomputed(pipeline: Pipeline) -> None:
    publish(pipeline, AUTOMATIC)
    pipeline.deliver("gateway", [used("2026-08-03", "30")])
    built(pipeline, "2026-08-05T12:00:00")
    [top_up] = closed(pipeline)
    pipeline.deliver("gateway", [used("2026-08-20", "30")], "more")
    built(pipeline, "2026-09-05T12:00:00")
    assert closed(pipeline) == ["acme:2026-08-01"]
    built(pipeline, "2026-09-05T13:00:00")
    archive_journal(
        pipeline.warehouse, date(2026, 9, 1), pipeline.directory / "archive", datetime.now(UTC)
    )
    with pytest.raises(InvoiceStateError, match="counts usage that is archived"):
        prepare_recomputation(pipeline.warehouse, top_up)
