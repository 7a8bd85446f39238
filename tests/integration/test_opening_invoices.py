"""What is paid when a contract begins, over invoices that are closed one after the other."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from assets.catalog.refusals.errors import CatalogRefused
from tests.conftest import fresh_pipeline
from tests.integration.test_fees_over_time import NOW, RULES
from tests.integration.test_invoicing import is_same_when_recomputed, lines, publish
from tests.pipeline import Pipeline, record_void

INVOICES = ("+jnl_delivery_counts", "+fct_invoices", "+fct_invoice_lines")
ADVANCE = "timing: advance"
PLANS = f"""
dimensions:
  - {{id: seats, aggregation: latest, carry_over: true}}
taxes:
  - {{id: vat, percent: 20, from: 2026-06-01}}
plans:
  - id: yearly
    currency: USD
    interval: year
    charges:
      - {{id: platform, price: {{model: flat, amount: 1200, {ADVANCE}}}}}
      - {{id: setup, price: {{model: flat, amount: 99, timing: once}}}}
      - {{id: support, price: {{model: flat, amount: 50, prorate: false}}}}
  - id: small
    currency: USD
    charges: [{{id: fee, price: {{model: flat, amount: 30, {ADVANCE}}}}}]
  - id: large
    currency: USD
    charges: [{{id: fee, price: {{model: flat, amount: 90, {ADVANCE}}}}}]
  - id: later
    currency: USD
    charges: [{{id: fee, price: {{model: flat, amount: 70}}}}]
  - id: team
    currency: USD
    charges: [{{id: seats, dimension: seats, price: {{model: seat, unit_amount: 30, {ADVANCE}}}}}]
"""
JUNE = "start: 2026-06-01, opening_invoice: true"
CUSTOMERS = f"""
customers:
  - id: acme
    tax: vat
    contracts:
      - {{id: acme, plan: yearly, {JUNE}, discounts: [{{percent: 10, max_periods: 1}}],
         credits: [{{id: gift, amount: 100}}]}}
  - id: lab
    parent: acme
    bill_to: parent
    contracts: [{{id: lab, plan: small, {JUNE}, minimum: {{amount: 100}}}}]
  - id: york
    timezone: America/New_York
    contracts: [{{id: york, plan: small, {JUNE}}}]
  - id: team
    contracts: [{{id: team, plan: team, {JUNE}}}]
  - id: twice
    contracts:
      - {{id: twice, plan: small, {JUNE}, credits: [{{id: free, amount: 10, every_periods: 1}}]}}
  - id: paid
    contracts:
      - {{id: paid, plan: later, {JUNE}, end: 2026-08-01,
         commitments: [{{amount: 120, instalments: 2}}]}}
  - id: short
    contracts: [{{id: short, plan: small, {JUNE}}}]
  - id: up
    contracts:
      - {{id: small, plan: small, {JUNE}}}
"""
LATER = CUSTOMERS.replace("{id: short,", "{id: short, end: 2026-06-16,") + (
    "      - {id: large, plan: large, start: 2026-06-21, replaces: small, opening_invoice: true}\n"
)


def seats(day: str, value: int) -> dict:
    return {
        "id": day,
        "timestamp": f"2026-{day}:00:00Z",
        "tenant_id": "team",
        "dimension_id": "seats",
        "value": str(value),
    }


class Story:
    """Invoices of June and July, as they were drafted and closed."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.told: dict[tuple[str, str], list[tuple[str, str, str]]] = {}

    def draft(self, day: str) -> None:
        self.pipeline.build(datetime.fromisoformat(f"2026-{day}:30:00+00:00"), *INVOICES)
        for row in self.pipeline.rows("select invoice_id from marts.fct_invoices"):
            self.told[day, row.invoice_id] = lines(self.pipeline, row.invoice_id)

    def of(self, day: str, invoice_id: str) -> list[tuple[str, str, str]]:
        return self.told[day, invoice_id]


@pytest.fixture(scope="module")
def story(postgres, prepared_template, tmp_path_factory) -> Iterator[Story]:
    directory = tmp_path_factory.mktemp("opening")
    with fresh_pipeline(postgres, prepared_template, directory) as pipeline:
        story = Story(pipeline)
        publish(pipeline, PLANS + CUSTOMERS)
        pipeline.deliver("gateway", [seats("05-20T00", 5), seats("06-01T02", 6)])
        story.draft("06-01T03")
        pipeline.close(RULES, NOW)
        publish(pipeline, PLANS + LATER)
        pipeline.deliver("gateway", [seats("06-01T20", 7)], "late")
        story.draft("06-21T12")
        pipeline.close(RULES, NOW)
        story.draft("07-02T12")
        pipeline.close(RULES, NOW)
        record_void(pipeline.warehouse, "twice:2026-06-01:opening", "ann", datetime.now(UTC))
        story.draft("07-03T12")
        pipeline.close(RULES, NOW)
        yield story


def test_it_holds_what_is_paid_when_the_contract_begins(story: Story) -> None:
    assert story.of("06-01T03", "acme:2026-06-01:opening") == [
        ("fee", "platform", "1200.000"),
        ("discount", "1", "-120.000"),
        ("fee", "setup", "99.000"),
        ("discount", "1", "-9.900"),
        ("credit", "gift", "-100.000"),
        ("tax", "vat", "213.820"),
    ]
    assert story.of("06-01T03", "paid:2026-06-01:opening") == [("commitment", "1", "60.000")]


def test_the_first_period_bills_none_of_it_again(story: Story) -> None:
    for day in ("06-01T03", "07-03T12"):
        assert story.of(day, "acme:2026-06-01") == [
            ("fee", "platform", "1200.000"),
            ("fee", "support", "50.000"),
            ("discount", "1", "-5.000"),
            ("tax", "vat", "249.000"),
        ]
    assert story.of("07-02T12", "paid:2026-06-01") == [
        ("fee", "fee", "70.000"),
        ("commitment", "1", "-70.000"),
        ("commitment", "1", "60.000"),
    ]
    assert story.of("07-02T12", "york:2026-06-01") == [("fee", "fee", "30.000")]


def test_it_is_drafted_when_the_first_day_has_begun_for_the_customer(story: Story) -> None:
    # Half past 23 o'clock on the 31st of May in New York.
    assert ("06-01T03", "york:2026-06-01:opening") not in story.told
    assert story.of("06-21T12", "york:2026-06-01:opening") == [("fee", "fee", "30.000")]


def test_it_holds_the_seats_of_the_first_day_as_far_as_they_are_known(story: Story) -> None:
    assert story.of("06-01T03", "team:2026-06-01:opening") == [("fee", "seats", "180.000")]
    # 7 of them when the day had ended: 210.00 instead of 180.00, and the 7 seats of July.
    assert story.of("07-02T12", "team:2026-06-01") == [
        ("fee", "seats", "-210.000"),
        ("usage", "seats", "210.000"),
        ("fee", "seats", "210.000"),
        ("adjustment", "team:2026-06-01:opening/fee/seats/0", "30.000"),
    ]
    assert story.of("07-02T12", "team:2026-07-01") == [
        ("fee", "seats", "-210.000"),
        ("usage", "seats", "210.000"),
        ("fee", "seats", "210.000"),
    ]


def test_a_minimum_counts_it_with_the_first_period_and_a_parent_pays_it(story: Story) -> None:
    assert story.of("06-01T03", "lab:2026-06-01:opening") == [
        ("fee", "fee", "30.000"),
        ("tax", "vat", "6.000"),
    ]
    assert story.of("07-02T12", "lab:2026-06-01") == [
        ("fee", "fee", "30.000"),
        ("minimum", None, "70.000"),
        ("tax", "vat", "20.000"),
    ]
    [paid] = story.pipeline.rows(
        "select customer_id, kind from billing.invoices where invoice_id = 'lab:2026-06-01:opening'"
    )
    assert tuple(paid) == ("acme", "opening")


def test_a_contract_that_ends_in_its_first_period_is_given_back_its_days(story: Story) -> None:
    assert story.of("06-21T12", "short:2026-06-01") == [
        ("adjustment", "short:2026-06-01:opening/fee/fee/0", "-15.000"),
        ("credit", "carried", "15.000"),
    ]


def test_an_upgrade_opens_with_what_is_given_back(story: Story) -> None:
    assert story.of("06-21T12", "large:2026-06-21:opening") == [
        ("fee", "fee", "30.000"),
        ("adjustment", "small:2026-06-01:opening/fee/fee/0", "-10.000"),
    ]
    assert story.of("07-02T12", "small:2026-06-01") == []
    assert story.of("07-02T12", "large:2026-06-21") == [("fee", "fee", "90.000")]


def test_one_that_is_void_is_made_again_beside_the_invoice_of_its_period(story: Story) -> None:
    bills = [("fee", "fee", "30.000"), ("credit", "free:2026-06-01", "-10.000")]
    assert story.of("07-02T12", "twice:2026-06-01:opening") == bills
    assert story.of("07-03T12", "twice:2026-06-01:opening:2") == bills
    assert story.of("07-03T12", "twice:2026-06-01") == [("fee", "fee", "30.000")]
    assert story.of("07-03T12", "twice:2026-07-01") == [
        ("fee", "fee", "30.000"),
        ("credit", "free:2026-07-01", "-10.000"),
    ]


@pytest.mark.parametrize(
    "invoice", ["team:2026-06-01:opening", "twice:2026-06-01", "twice:2026-06-01:opening:2"]
)
def test_it_is_the_same_when_recomputed(story: Story, invoice: str) -> None:
    assert is_same_when_recomputed(story.pipeline, invoice)


def test_what_it_spends_of_a_grant_keeps_no_invoice_from_being_voided(story: Story) -> None:
    record_void(story.pipeline.warehouse, "twice:2026-06-01", "ann", NOW)
    [events] = story.pipeline.rows(
        "select count(*) from billing.invoice_events"
        " where invoice_id = 'twice:2026-06-01' and event = 'voided'"
    )
    assert tuple(events) == (1,)


def test_a_contract_that_is_opened_keeps_its_first_day(story: Story) -> None:
    moved = LATER.replace("end: 2026-06-16, plan: small, start: 2026-06-01", "start: 2026-06-05")
    moved = moved.replace("short, start", "short, plan: small, start")
    with pytest.raises(CatalogRefused, match=r"short \(2026-06-05 instead of 2026-06-01, INV-0000"):
        publish(story.pipeline, PLANS + moved)
