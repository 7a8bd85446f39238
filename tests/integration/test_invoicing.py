"""The life of an invoice: drafted, closed, adjusted, recomputed; months of a small company."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from assets.catalog.refusals.errors import CatalogRefused
from assets.invoicing.approval import InvoiceStateError, approve, waiting_for_approval
from assets.invoicing.closing import CloseReport, ClosingRules, Held, StaleDraftsError, close_period
from assets.invoicing.explanation import explain, usage_records
from assets.invoicing.recompute import SELECTION, compare_recomputation, prepare_recomputation
from connectors.dbt import run_project
from tests.conftest import fresh_pipeline
from tests.pipeline import Pipeline, record_void

INVOICES = (
    "+jnl_delivery_counts",
    *(f"+fct_{name}" for name in ("invoices", "invoice_line_groups", "invoice_line_steps")),
    "+fct_invoice_lines",
)
CATALOG = """
dimensions:
  - {id: calls, name: API calls, unit: call, aggregation: sum}
taxes:
  - {id: vat, name: VAT, percent: "20"}
plans:
  - id: payg
    name: Pay as you go
    currency: USD
    interval: month
    charges:
      - id: calls
        name: API calls
        dimension: calls
        price: {model: per_unit, unit_amount: "0.10"}
customers:
  - id: acme
    name: Acme
    tax: vat
    contracts:
      - id: acme
        plan: payg
        start: 2026-08-01
        credits: [{id: gift, amount: "4", from: 2026-08-01}]
  - id: zero
    name: Zero
    contracts:
      - {id: zero, plan: payg, start: 2026-08-01}
"""
MAPPED_LATE = CATALOG.replace("    tax: vat\n", "    tax: vat\n    tenants: [acme, acme-eu]\n")
RULES = ClosingRules(grace=timedelta(days=1), usage_sources=("gateway",), approves_itself=False)
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def usage(record_id: str, timestamp: str, value: str, tenant: str = "acme", **more: str) -> dict:
    return {
        "id": record_id,
        "timestamp": timestamp,
        "tenant_id": tenant,
        "dimension_id": "calls",
        "value": value,
        **more,
    }


def publish(pipeline: Pipeline, catalog: str) -> None:
    folder = pipeline.directory / "catalog"
    folder.mkdir(exist_ok=True)
    (folder / "catalog.yml").write_text(catalog)
    pipeline.publish(folder)


def lines(pipeline: Pipeline, invoice_id: str) -> list[tuple[str, str, str]]:
    return [
        (row.kind, row.reference_id or row.charge_id, str(row.amount))
        for row in pipeline.rows(
            "select kind, charge_id, reference_id, amount from marts.fct_invoice_lines"
            f" where invoice_id = '{invoice_id}' order by line_number"
        )
    ]


def is_same_when_recomputed(pipeline: Pipeline, invoice_id: str) -> bool:
    prepare_recomputation(pipeline.warehouse, invoice_id)
    results = run_project(
        ["run", "--select", *SELECTION], pipeline.directory / "recompute", "recompute"
    )
    assert all(result.is_successful for result in results)
    comparison = compare_recomputation(pipeline.warehouse, invoice_id)
    assert comparison.differences == ()
    return comparison.is_same


@dataclass
class Story:
    """What happened, step by step; the tests read it and change nothing."""

    pipeline: Pipeline
    first_hold: CloseReport
    first_close: CloseReport
    second_attempt: CloseReport
    september_draft: list[tuple[str, str, str]]
    second_close: CloseReport
    october_draft: list[tuple[str, str, str]]
    recomputed: dict[str, bool]


@pytest.fixture(scope="module")
def story(postgres, prepared_template, tmp_path_factory) -> Iterator[Story]:
    with fresh_pipeline(postgres, prepared_template, tmp_path_factory.mktemp("story")) as pipeline:
        publish(pipeline, CATALOG)
        pipeline.deliver(
            "gateway",
            [
                usage("a1", "2026-08-10T00:00:00Z", "100"),
                usage("a2", "2026-08-11T00:00:00Z", "50"),
                usage("eu1", "2026-08-12T00:00:00Z", "30", "acme-eu"),
                usage("s1", "2026-09-10T00:00:00Z", "10"),
            ],
            "first",
        )
        pipeline.build(datetime(2026, 9, 1, 12, tzinfo=UTC), *INVOICES)
        first_hold = pipeline.close(RULES, NOW)
        pipeline.build(datetime(2026, 9, 2, tzinfo=UTC), *INVOICES)
        first_close = close_period(pipeline.warehouse, RULES, date(2026, 8, 1), NOW)
        second_attempt = close_period(pipeline.warehouse, RULES, date(2026, 8, 1), NOW)

        # Late usage, a correction, a tenant mapped late: all of them for the closed August.
        pipeline.deliver(
            "gateway",
            [
                usage("a3", "2026-08-31T23:59:59Z", "20"),
                usage("a2x", "2026-08-11T00:00:00Z", "40", corrects="a2"),
            ],
            "late",
        )
        publish(pipeline, MAPPED_LATE)
        pipeline.build(datetime(2026, 10, 2, tzinfo=UTC), *INVOICES)
        september_draft = lines(pipeline, "acme:2026-09-01")
        second_close = pipeline.close(RULES, NOW)
        # One more for August, after its adjustment was booked: only the new difference is.
        pipeline.deliver("gateway", [usage("a4", "2026-08-05T00:00:00Z", "-200")], "later")
        pipeline.build(datetime(2026, 10, 3, tzinfo=UTC), *INVOICES)
        october_draft = lines(pipeline, "acme:2026-10-01")

        recomputed = {
            invoice_id: is_same_when_recomputed(pipeline, invoice_id)
            for invoice_id in ("acme:2026-08-01", "acme:2026-09-01")
        }
        yield Story(
            pipeline,
            first_hold,
            first_close,
            second_attempt,
            september_draft,
            second_close,
            october_draft,
            recomputed,
        )


def test_a_draft_is_held_until_its_grace_is_over(story):
    reasons = {held.invoice_id: held.reason for held in story.first_hold.held}
    assert reasons["acme:2026-08-01"] == "the period and its grace end at 2026-09-02 00:00 UTC"
    assert story.first_hold.finalised == []


def test_closing_finalises_each_invoice_once_with_numbers_without_gaps(story):
    assert story.first_close.finalised == [
        ("acme:2026-08-01", "INV-000001"),
        ("zero:2026-08-01", "INV-000002"),
    ]
    assert story.second_attempt.finalised == []
    assert [number for _, number in story.second_close.finalised] == ["INV-000003", "INV-000004"]


def test_a_finalised_invoice_keeps_its_lines_whatever_comes_later(story):
    assert lines(story.pipeline, "acme:2026-08-01") == [
        ("usage", "calls", "15.000"),
        ("credit", "gift", "-4.000"),
        ("tax", "vat", "2.200"),
    ]


def test_late_usage_is_adjusted_on_the_next_invoice(story):
    # 100 + 40 + 20, and 30 of the tenant mapped late, are 19.00 where 15.00 was invoiced.
    assert story.september_draft == [
        ("usage", "calls", "1.000"),
        ("adjustment", "acme:2026-08-01/usage/calls/1", "4.000"),
        ("tax", "vat", "1.000"),
    ]


def test_an_adjustment_is_booked_once_and_a_negative_invoice_is_carried(story):
    assert story.october_draft == [
        ("adjustment", "acme:2026-08-01/usage/calls/1", "-20.000"),
        ("credit", "carried", "20.000"),
    ]


def test_a_finalised_invoice_recomputes_to_the_same_bytes(story):
    assert story.recomputed == {"acme:2026-08-01": True, "acme:2026-09-01": True}


def test_the_records_of_a_line_are_those_it_was_priced_with(story):
    with story.pipeline.warehouse.begin() as connection:
        records = list(usage_records(connection, "acme:2026-08-01/usage/calls/1"))
    assert [(row.record_id, str(row.value)) for row in records] == [
        ("a1", "100.000000000"),
        ("a2", "50.000000000"),
    ]
    assert {Path(row.object).name for row in records} == {"first.jsonl"}


def test_explaining_a_line_gives_the_steps_that_make_its_amount(story):
    (explanation,) = explain(story.pipeline.warehouse, "acme:2026-08-01/usage/calls/1")
    steps = explanation.steps_of(explanation.lines[0])
    assert sum(step.amount for step in steps if step.amount is not None) == Decimal("15")
    assert steps[0].record_count == 2
    assert explanation.invoice.invoice_number == "INV-000001"
    with pytest.raises(InvoiceStateError, match="no invoice or line nothing"):
        explain(story.pipeline.warehouse, "nothing")


@pytest.mark.parametrize(
    "statement",
    [
        "update billing.invoices set total = 0",
        "delete from billing.invoice_lines",
        "truncate billing.invoices cascade",
        "update journal.jnl_usage_entries set value = 0",
        "delete from journal.jnl_usage_entries",
        "truncate journal.jnl_usage_entries",
    ],
)
def test_what_is_booked_cannot_be_changed(story, statement):
    with (
        pytest.raises(DBAPIError, match="permission denied"),
        story.pipeline.warehouse.begin() as c,
    ):
        c.execute(text(statement))


@pytest.fixture
def two_drafts(pipeline):
    publish(pipeline, CATALOG)
    pipeline.deliver("gateway", [usage("a1", "2026-08-10T00:00:00Z", "100")])
    pipeline.build(datetime(2026, 10, 2, tzinfo=UTC), *INVOICES)
    return pipeline


def test_approval_queues_what_is_to_be_paid_and_refuses_what_is_void(two_drafts):
    warehouse = two_drafts.warehouse
    held_by_source = close_period(
        warehouse,
        ClosingRules(timedelta(0), ("gateway", "other"), approves_itself=False),
        None,
        NOW,
    )
    assert held_by_source.finalised == []
    assert Held("acme:2026-08-01", "source other has never been read completely") in (
        held_by_source.held
    )
    september = close_period(warehouse, RULES, date(2026, 9, 1), NOW)
    assert september.finalised == []
    assert {held.reason for held in september.held} == {
        "an earlier period of the contract is still open"
    }

    two_drafts.close(RULES, NOW)
    assert waiting_for_approval(warehouse) == [
        "acme:2026-08-01",
        "zero:2026-08-01",
        "acme:2026-09-01",
        "zero:2026-09-01",
    ]
    record_void(warehouse, "acme:2026-09-01", "tester", datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(StaleDraftsError, match="acme:2026-09-01 was voided since"):
        two_drafts.close(RULES, NOW)
    with pytest.raises(InvoiceStateError, match="is void"):
        approve(warehouse, ["INV-000001", "acme:2026-09-01"], "tester", NOW)
    assert len(waiting_for_approval(warehouse)) == 3, "all or none"

    assert approve(warehouse, ["INV-000001", "INV-000002"], "tester", NOW) == [
        "acme:2026-08-01",
        "zero:2026-08-01",
    ]
    assert approve(warehouse, ["INV-000001"], "tester", NOW) == []
    assert [row.invoice_id for row in two_drafts.rows("select * from billing.outbox")] == [
        "acme:2026-08-01"
    ]
    two_drafts.build(datetime(2026, 10, 2, tzinfo=UTC), *INVOICES)
    assert {
        row.invoice_id: row.status for row in two_drafts.rows("select * from marts.fct_invoices")
    } == {
        "acme:2026-08-01": "approved",
        "zero:2026-08-01": "paid",
        "acme:2026-09-01": "void",
        "acme:2026-09-01:2": "draft",
        "zero:2026-09-01": "finalised",
        "acme:2026-10-01": "draft",
        "zero:2026-10-01": "draft",
    }


def test_drafts_of_an_unfinished_build_are_not_closed(pipeline):
    with pytest.raises(StaleDraftsError, match="nothing has been rated"):
        pipeline.close(RULES, NOW)


def test_voiding_opens_the_period_again_and_gives_its_credit_back(two_drafts):
    two_drafts.close(RULES, NOW)
    assert lines(two_drafts, "acme:2026-08-01") == [
        ("usage", "calls", "10.000"),
        ("credit", "gift", "-4.000"),
        ("tax", "vat", "1.200"),
    ]
    record_void(two_drafts.warehouse, "acme:2026-08-01", "tester", NOW)
    publish(two_drafts, CATALOG.replace('unit_amount: "0.10"', 'unit_amount: "0.20"'))
    two_drafts.build(datetime(2026, 10, 2, tzinfo=UTC), *INVOICES)
    assert lines(two_drafts, "acme:2026-08-01:2") == [
        ("usage", "calls", "20.000"),
        ("credit", "gift", "-4.000"),
        ("tax", "vat", "3.200"),
    ]

    second = two_drafts.close(RULES, NOW)
    assert second.finalised == [("acme:2026-08-01:2", "INV-000005")]
    two_drafts.build(datetime(2026, 10, 2, tzinfo=UTC), *INVOICES)
    assert {
        row.invoice_id: row.status
        for row in two_drafts.rows(
            "select invoice_id, status from marts.fct_invoices where contract_id = 'acme'"
        )
    } == {
        "acme:2026-08-01": "void",
        "acme:2026-08-01:2": "finalised",
        "acme:2026-09-01": "finalised",
        "acme:2026-10-01": "draft",
    }
    assert is_same_when_recomputed(two_drafts, "acme:2026-08-01")
    assert is_same_when_recomputed(two_drafts, "acme:2026-08-01:2")


def test_usage_that_landed_after_the_drafts_were_rated_holds_the_close(two_drafts):
    two_drafts.deliver("gateway", [usage("a9", "2026-08-20T00:00:00Z", "5")], "afterwards")
    with pytest.raises(StaleDraftsError, match="usage has landed since"):
        two_drafts.close(RULES, NOW)


def test_a_draft_behind_carried_credit_is_rated_again_first(pipeline):
    publish(pipeline, CATALOG)
    pipeline.deliver(
        "gateway",
        [
            usage("a1", "2026-08-10T00:00:00Z", "-100"),
            usage("a2", "2026-09-10T00:00:00Z", "30"),
        ],
    )
    pipeline.build(datetime(2026, 10, 2, tzinfo=UTC), *INVOICES)
    first = pipeline.close(RULES, NOW)
    assert "acme:2026-09-01" not in dict(first.finalised)
    pipeline.build(datetime(2026, 10, 2, tzinfo=UTC), *INVOICES)
    assert pipeline.close(RULES, NOW).finalised == [("acme:2026-09-01", "INV-000004")]
    assert ("credit", "carried", "-3.000") in lines(pipeline, "acme:2026-09-01")
    assert is_same_when_recomputed(pipeline, "acme:2026-09-01")


def test_an_adjustment_of_a_line_that_was_never_invoiced_is_taken_back(pipeline):
    publish(pipeline, CATALOG)
    pipeline.deliver("gateway", [usage("z0", "2026-09-10T00:00:00Z", "10", "zero")])
    pipeline.build(datetime(2026, 9, 2, tzinfo=UTC), *INVOICES)
    pipeline.close(RULES, NOW)
    pipeline.deliver("gateway", [usage("z1", "2026-08-10T00:00:00Z", "40", "zero")], "late")
    pipeline.build(datetime(2026, 10, 2, tzinfo=UTC), *INVOICES)
    pipeline.close(RULES, NOW)
    adjusted = ("adjustment", "zero:2026-08-01/usage/calls/1", "4.000")
    assert adjusted in lines(pipeline, "zero:2026-09-01")
    cancelled = usage("z1x", "2026-08-10T00:00:00Z", "0", "zero", corrects="z1")
    pipeline.deliver("gateway", [cancelled], "cancelled")
    pipeline.build(datetime(2026, 10, 3, tzinfo=UTC), *INVOICES)
    taken_back = ("adjustment", "zero:2026-08-01/usage/calls/1", "-4.000")
    assert taken_back in lines(pipeline, "zero:2026-10-01")


def test_a_contract_that_is_being_invoiced_cannot_leave_the_catalog(two_drafts):
    two_drafts.close(RULES, NOW)
    renamed = CATALOG.replace("- id: acme\n        plan", "- id: renamed\n        plan")
    ended = CATALOG.replace("start: 2026-08-01\n", "start: 2026-08-01\n        end: 2026-10-01\n")
    with pytest.raises(CatalogRefused, match=r"acme \(invoiced until 2026-10-01\)"):
        publish(two_drafts, renamed)
    # An end that was taken back is none: the catalog before it holds again.
    for catalog in (ended, CATALOG):
        publish(two_drafts, catalog)
    with pytest.raises(CatalogRefused, match=r"acme \(invoiced until 2026-10-01\)"):
        publish(two_drafts, renamed)
    for catalog in (ended, renamed):
        publish(two_drafts, catalog)


def test_usage_stays_with_its_invoice_when_the_tenant_moves(pipeline):
    moved = CATALOG.replace(
        "    tax: vat\n", "    tax: vat\n    tenants: [acme]\n    timezone: America/New_York\n"
    )
    publish(pipeline, CATALOG)
    pipeline.deliver(
        "gateway",
        [
            usage("a1", "2026-08-10T00:00:00Z", "100"),
            # After August in UTC, before September in New York, whereto the customer moves later.
            usage("a2", "2026-09-01T02:00:00Z", "10"),
        ],
    )
    pipeline.build(datetime(2026, 9, 2, 12, tzinfo=UTC), *INVOICES)
    pipeline.close(RULES, NOW)
    publish(pipeline, moved)
    for as_of in (datetime(2026, 10, 3, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC)):
        pipeline.build(as_of, *INVOICES)
        pipeline.close(RULES, NOW)
    pipeline.build(datetime(2026, 11, 3, tzinfo=UTC), *INVOICES)
    assert lines(pipeline, "acme:2026-09-01")[0] == ("usage", "calls", "1.000")
    assert pipeline.rows("select * from rating.int_adjustments") == []
    assert [
        (row.status, row.quantity)
        for row in pipeline.rows(
            "select status, sum(quantity_sum) as quantity from rating.int_usage_pieces group by 1"
        )
    ] == [("rated", Decimal("110.000000000"))]
