"""Seats paid in advance: what a contract with them cannot say."""

from pathlib import Path

import pytest

from models.catalog import load_catalog
from models.problems import ConfigurationError
from tests.unit.catalog_files import write

PLANS = """
dimensions:
  - {id: seats, aggregation: latest, carry_over: true}
plans:
  - id: team
    currency: USD
    charges:
      - {id: seats, dimension: seats, price: {model: seat, unit_amount: 30, timing: advance}}
      - {id: fee, price: {model: flat, amount: 10}}
  - id: later
    currency: USD
    charges:
      - {id: seats, dimension: seats, price: {model: seat, unit_amount: 30}}
"""
TEAM = "id: a, plan: team, start: 2026-05-01"
LATER = "id: a, plan: later, start: 2026-05-01"
IN_ADVANCE = "overrides: [{charge: seats, price: {model: seat, unit_amount: 9, timing: advance}}]"
DISCOUNT = "4: customers[0].contracts[0].discounts[0].amount"
AMOUNT = "the seats of the charge seats are paid in advance and settled afterwards"
WITHIN = "within a billing period, and the seats of its charge seats are paid in advance for the"


def problems_of(tmp_path: Path, *contracts: str) -> list[str]:
    text = "customers:\n  - id: c\n    contracts:\n"
    text += "".join(f"      - {{{contract}}}\n" for contract in contracts)
    try:
        load_catalog(write(tmp_path, {"a": PLANS, "b": text}))
    except ConfigurationError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("contracts", "place", "reason"),
    [
        ([f"{TEAM}, discounts: [{{amount: 100}}]"], DISCOUNT, AMOUNT),
        ([f"{TEAM}, discounts: [{{amount: 1, charges: [fee, seats]}}]"], DISCOUNT, AMOUNT),
        ([f"{LATER}, {IN_ADVANCE}, discounts: [{{amount: 1}}]"], DISCOUNT, AMOUNT),
        ([f"{TEAM}, end: 2026-06-21"], "4: customers[0].contracts[0].end", WITHIN),
        ([f"{LATER}, end: 2026-06-21, {IN_ADVANCE}"], "4: customers[0].contracts[0].end", WITHIN),
        (
            [TEAM, "id: b, plan: later, start: 2026-06-21, replaces: a"],
            "5: customers[0].contracts[1].start",
            "the whole of it: write change: period_end",
        ),
    ],
)
def test_what_would_not_be_given_back_rightly_is_refused(
    tmp_path: Path, contracts: list[str], place: str, reason: str
) -> None:
    (problem,) = problems_of(tmp_path, *contracts)
    assert f"b.yml:{place}: " in problem
    assert reason in problem


@pytest.mark.parametrize(
    "contracts",
    [
        [f"{TEAM}, discounts: [{{amount: 1, charges: [fee]}}, {{percent: 10}}]"],
        [f"{LATER}, end: 2026-06-21, discounts: [{{amount: 1}}]"],
        [f"{TEAM}, end: 2026-07-01"],
        [TEAM, "id: b, plan: later, start: 2026-06-21, replaces: a, change: period_end"],
    ],
)
def test_what_is_settled_with_its_period_may_be_written(
    tmp_path: Path, contracts: list[str]
) -> None:
    assert problems_of(tmp_path, *contracts) == []
