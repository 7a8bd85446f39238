"""Random seats, rated by the project and, day by day, by a few lines that know none of its SQL."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from tests.conftest import fresh_pipeline
from tests.integration.test_invoicing import INVOICES
from tests.pipeline import Pipeline

CUSTOMERS = 150
FIRST, AFTER = date(2026, 8, 1), date(2026, 9, 1)
ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York")


def drawn_price(dice: random.Random, options: dict[str, str]) -> dict[str, Any]:
    amounts = [f"{dice.randrange(1, 9999) / 100:.2f}" for _ in range(3)]
    if dice.random() < 0.5:
        return {"model": "seat", "unit_amount": amounts[0], **options}
    tiers = [
        {"up_to": dice.choice((1, 5, 10)), "unit_amount": amounts[0], "flat_amount": amounts[1]},
        {"up_to": None, "unit_amount": amounts[2], "flat_amount": dice.choice(("0", "7"))},
    ]
    return {"model": "seat", "tiers": tiers, **options}


class Company:
    """A customer with tenants that have seats."""

    def __init__(self, number: int) -> None:
        dice = random.Random(number)  # noqa: S311 - nothing secret is drawn
        self.id = f"c{number}"
        self.zone = dice.choice(ZONES)
        self.start = dice.choice((FIRST, FIRST, FIRST + timedelta(days=dice.randrange(1, 30))))
        self.included = dice.choice((0, 0, 3))
        self.carry_over = dice.random() < 0.7
        self.options = {
            "prorate": dice.choice(("day", "day", "none")),
            "on_removal": dice.choice(("none", "credit")),
        }
        self.price = drawn_price(dice, self.options)
        self.change = dice.choice((None, self.start + timedelta(days=dice.randrange(1, 12))))
        self.later = drawn_price(dice, self.options)
        if self.change and self.change >= AFTER:
            self.change = None
        since = datetime(2026, 7, 1, tzinfo=UTC)
        minutes = 62 * 24 * 60
        self.records = sorted(
            (since + timedelta(minutes=dice.randrange(minutes)), dice.choice("ab"), seats)
            for seats in dice.choices(range(15), k=dice.randrange(12))
        )

    def dimension(self) -> dict[str, Any]:
        return {"id": self.id, "aggregation": "latest", "carry_over": self.carry_over}

    def plan(self) -> dict[str, Any]:
        charge = {"id": "seats", "dimension": self.id, "included": self.included}
        return {"id": self.id, "currency": "USD", "charges": [{**charge, "price": self.price}]}

    def customer(self) -> dict[str, Any]:
        override = {"charge": "seats", "from": str(self.change), "price": self.later}
        contract = {"id": self.id, "plan": self.id, "start": str(self.start), "anchor_day": 1}
        contract["overrides"] = [override] if self.change else []
        tenants = [f"{self.id}-a", f"{self.id}-b"]
        return {"id": self.id, "timezone": self.zone, "tenants": tenants, "contracts": [contract]}

    def usage(self) -> Iterator[dict[str, Any]]:
        for number, (at, tenant, seats) in enumerate(self.records):
            yield {
                "id": f"{self.id}/{number}",
                "timestamp": at.isoformat(),
                "tenant_id": f"{self.id}-{tenant}",
                "dimension_id": self.id,
                "value": str(seats),
            }

    def days(self) -> list[date]:
        return [self.start + timedelta(days=n) for n in range((AFTER - self.start).days)]

    def seats_on(self, day: date) -> int:
        levels: dict[str, int] = {}
        for at, tenant, seats in self.records:
            happened = at.astimezone(ZoneInfo(self.zone)).date()
            if happened <= day and (self.carry_over or happened >= self.start):
                levels[tenant] = seats
        return sum(levels.values())

    def amounts(self) -> list[Fraction]:
        """Return what each part of August comes to."""
        days = self.days()
        levels = [self.seats_on(day) for day in days]
        if self.options["on_removal"] == "none":
            levels = [max(levels[: number + 1]) for number in range(len(levels))]
        if self.options["prorate"] == "none":
            levels = levels[-1:] * len(days)
        of_days = 31 if self.options["prorate"] == "day" else len(days)
        parts = {False: Fraction(0), True: Fraction(0)}
        for day, seats in zip(days, levels, strict=True):
            is_later = self.change is not None and day >= self.change
            price = self.later if is_later else self.price
            parts[is_later] += whole_price(price, max(seats - self.included, 0)) / of_days
        return list(parts.values()) if self.change else [parts[False]]


def whole_price(price: dict[str, Any], seats: int) -> Fraction:
    if "unit_amount" in price:
        return seats * Fraction(price["unit_amount"])
    first, second = price["tiers"]
    total = Fraction(first["flat_amount"])
    total += min(seats, first["up_to"]) * Fraction(first["unit_amount"])
    if seats > first["up_to"]:
        beyond = (seats - first["up_to"]) * Fraction(second["unit_amount"])
        total += beyond + Fraction(second["flat_amount"])
    return total


@pytest.fixture(scope="module")
def rated(postgres, prepared_template, tmp_path_factory) -> Iterator[Pipeline]:
    companies = [Company(number) for number in range(CUSTOMERS)]
    catalog = {
        "dimensions": [company.dimension() for company in companies],
        "plans": [company.plan() for company in companies],
        "customers": [company.customer() for company in companies],
    }
    directory = tmp_path_factory.mktemp("seats")
    with fresh_pipeline(postgres, prepared_template, directory) as pipeline:
        folder = pipeline.directory / "catalog"
        folder.mkdir()
        (folder / "catalog.yml").write_text(yaml.safe_dump(catalog))
        pipeline.publish(folder)
        pipeline.deliver("gateway", [record for company in companies for record in company.usage()])
        pipeline.build(datetime(2026, 9, 1, 12, tzinfo=UTC), *INVOICES)
        yield pipeline


def test_seats_are_what_they_are_day_by_day(rated: Pipeline) -> None:
    found: dict[str, list[Fraction]] = {}
    for row in rated.rows("""
        select parts.contract_id, coalesce(sum(slices.exact_amount), 0) as amount
        from rating.int_charge_parts as parts
        left join rating.int_price_slices as slices
            using (invoice_id, charge_id, part_number)
        where parts.part_start < '2026-09-01'
        group by parts.contract_id, parts.part_number
        order by parts.contract_id, parts.part_number
    """):
        found.setdefault(row.contract_id, []).append(Fraction(row.amount))
    differing = {}
    for company in (Company(number) for number in range(CUSTOMERS)):
        expected = company.amounts()
        # Each stretch of days is rounded to twelve decimals.
        is_same = len(expected) == len(found[company.id]) and all(
            abs(one - other) < Fraction(1, 10**10)
            for one, other in zip(expected, found[company.id], strict=True)
        )
        if not is_same:
            differing[company.id] = (vars(company), expected, found[company.id])
    assert not differing, f"{len(differing)}: {next(iter(differing.values()))}"
