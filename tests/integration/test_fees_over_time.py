"""What is paid in advance, over invoices that are closed one after the other."""

from datetime import UTC, datetime, timedelta

import pytest

from assets.catalog.refusals.errors import CatalogRefused
from assets.invoicing.closing import ClosingRules
from tests.integration.test_invoicing import INVOICES, is_same_when_recomputed, lines, publish
from tests.pipeline import Pipeline

PLANS = """
dimensions:
  - {id: seats, aggregation: latest, carry_over: true}
plans:
  - id: small
    currency: USD
    charges: [{id: platform, price: {model: flat, amount: 30, timing: advance}}]
  - id: large
    currency: USD
    charges: [{id: platform, price: {model: flat, amount: 90, timing: advance}}]
  - id: team
    currency: USD
    charges: [{id: seats, dimension: seats, price: {model: seat, unit_amount: 30, timing: advance}}]
customers:
  - id: acme
    contracts:
"""
SMALL = "      - {id: small, plan: small, start: 2026-05-01, discounts: [{percent: 10}]}\n"
LARGE = "      - {id: large, plan: large, start: 2026-06-21, replaces: small}\n"
TEAM = "      - {id: team, plan: team, start: 2026-05-01}\n"
RULES = ClosingRules(grace=timedelta(days=1), usage_sources=("gateway",), approves_itself=False)
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def seats(record_id: str, day: str, value: int) -> dict:
    return {
        "id": record_id,
        "timestamp": f"{day}T12:00:00Z",
        "tenant_id": "acme",
        "dimension_id": "seats",
        "value": str(value),
    }


def close_on(pipeline: Pipeline, month: int, day: int, late_usage: str = "adjust") -> None:
    pipeline.build(datetime(2026, month, day, 12, tzinfo=UTC), *INVOICES, late_usage=late_usage)
    pipeline.close(RULES, NOW)


def test_an_upgrade_gives_back_what_was_paid_for_its_days(pipeline: Pipeline) -> None:
    publish(pipeline, PLANS + SMALL)
    pipeline.deliver("gateway", [seats("0", "2026-04-01", 0)])
    close_on(pipeline, 6, 2)
    publish(pipeline, PLANS + SMALL + LARGE)
    pipeline.build(datetime(2026, 7, 2, 12, tzinfo=UTC), *INVOICES)
    # 27.00 were paid for June; 20 days of it are used.
    given_back = [
        ("adjustment", "small:2026-05-01/fee/platform/0", "-10.000"),
        ("adjustment", "small:2026-05-01/discount/platform/0/1", "1.000"),
    ]
    assert lines(pipeline, "small:2026-06-01") == []
    assert sorted(lines(pipeline, "large:2026-06-21")) == sorted(
        [*given_back, ("fee", "platform", "30.000"), ("fee", "platform", "90.000")]
    )
    pipeline.close(RULES, NOW)
    # It is given back once.
    pipeline.build(datetime(2026, 8, 2, 12, tzinfo=UTC), *INVOICES)
    assert lines(pipeline, "large:2026-07-01") == [("fee", "platform", "90.000")]
    assert is_same_when_recomputed(pipeline, "large:2026-06-21")
    # Without the replaced contract, it would be asked for again.
    alone = PLANS + LARGE.replace("replaces: small", "anchor_day: 1")
    with pytest.raises(CatalogRefused, match=r"small \(ended on 2026-06-21, paid until 2026-07-01"):
        publish(pipeline, alone)


@pytest.mark.parametrize("late_usage", ["adjust", "ignore"])
def test_what_was_paid_for_a_period_that_never_begins_is_given_back(
    pipeline: Pipeline, late_usage: str
) -> None:
    publish(pipeline, PLANS + SMALL + TEAM)
    pipeline.deliver("gateway", [seats("0", "2026-04-01", 5)])
    close_on(pipeline, 6, 2, late_usage)
    ended = (SMALL + TEAM).replace("start: 2026-05-01", "start: 2026-05-01, end: 2026-06-01")
    publish(pipeline, PLANS + ended + LARGE.replace("replaces: small", "anchor_day: 1"))
    pipeline.build(datetime(2026, 7, 2, 12, tzinfo=UTC), *INVOICES, late_usage=late_usage)
    assert sorted(lines(pipeline, "large:2026-06-21")) == [
        ("adjustment", "small:2026-05-01/discount/platform/0/1", "3.000"),
        ("adjustment", "small:2026-05-01/fee/platform/0", "-30.000"),
        ("adjustment", "team:2026-05-01/fee/seats/0", "-150.000"),
        # What is below zero is carried to the next invoice.
        ("credit", "carried", "57.000"),
        ("fee", "platform", "30.000"),
        ("fee", "platform", "90.000"),
    ]


def test_seats_that_come_late_are_billed_once(pipeline: Pipeline) -> None:
    publish(pipeline, PLANS + TEAM)
    pipeline.deliver("gateway", [seats("0", "2026-04-01", 5)])
    close_on(pipeline, 6, 2)
    close_on(pipeline, 7, 2)
    assert lines(pipeline, "team:2026-06-01") == [
        ("fee", "seats", "-150.000"),
        ("usage", "seats", "150.000"),
        ("fee", "seats", "150.000"),
    ]
    # From the 31st of May they were 6: a day of May, June, July, and August in advance.
    pipeline.deliver("gateway", [seats("1", "2026-05-31", 6)], "late")
    pipeline.build(datetime(2026, 8, 2, 12, tzinfo=UTC), *INVOICES)
    assert sorted(lines(pipeline, "team:2026-07-01")) == [
        ("adjustment", "team:2026-05-01/fee/seats/0", "30.000"),
        ("adjustment", "team:2026-05-01/usage/seats/1", "0.970"),
        ("adjustment", "team:2026-06-01/fee/seats/0", "30.000"),
        ("adjustment", "team:2026-06-01/fee/seats/paid", "-30.000"),
        ("adjustment", "team:2026-06-01/usage/seats/1", "30.000"),
        ("fee", "seats", "-180.000"),
        ("fee", "seats", "180.000"),
        ("usage", "seats", "180.000"),
    ]
    pipeline.close(RULES, NOW)
    assert is_same_when_recomputed(pipeline, "team:2026-07-01")


def test_where_late_usage_is_ignored_seats_are_settled_with_what_was_invoiced(
    pipeline: Pipeline,
) -> None:
    publish(pipeline, PLANS + TEAM)
    pipeline.deliver("gateway", [seats("0", "2026-04-01", 5)])
    close_on(pipeline, 6, 2, "ignore")
    pipeline.deliver("gateway", [seats("1", "2026-05-31", 6)], "late")
    pipeline.build(datetime(2026, 7, 2, 12, tzinfo=UTC), *INVOICES, late_usage="ignore")
    assert lines(pipeline, "team:2026-06-01") == [
        ("fee", "seats", "-150.000"),
        ("usage", "seats", "180.000"),
        ("fee", "seats", "180.000"),
    ]


def test_a_percentage_off_paid_seats_holds_until_their_period_is_over(pipeline: Pipeline) -> None:
    def discounted(*discounts: str) -> str:
        return PLANS + TEAM.replace("}", f", discounts: [{', '.join(discounts)}]}}")

    publish(pipeline, discounted("{percent: 50}"))
    pipeline.deliver("gateway", [seats("0", "2026-04-01", 8)])
    close_on(pipeline, 6, 2)
    # 120.00 were paid for June; without the discount, 240.00 would be taken off.
    for lowered in (
        "{percent: 20}",
        "{percent: 50, to: 2026-06-20}",
        "{percent: 50, from: 2026-06-01}",
    ):
        with pytest.raises(
            CatalogRefused, match=r"team \(50 % off seats until 2026-07-01, INV-\d+\)"
        ):
            publish(pipeline, discounted(lowered))
    with pytest.raises(CatalogRefused, match="More would be given back than was paid"):
        publish(pipeline, PLANS + TEAM)
    publish(
        pipeline, discounted("{percent: 50, to: 2026-07-01}", "{percent: 20, from: 2026-07-01}")
    )
    pipeline.build(datetime(2026, 7, 2, 12, tzinfo=UTC), *INVOICES)
    assert sorted(lines(pipeline, "team:2026-06-01")) == [
        ("discount", "1", "-120.000"),
        ("discount", "1", "120.000"),
        ("discount", "2", "-48.000"),
        ("fee", "seats", "-240.000"),
        ("fee", "seats", "240.000"),
        ("usage", "seats", "240.000"),
    ]
