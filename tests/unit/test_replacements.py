"""Contracts that replace others: when they begin and end, and what is refused."""

from datetime import date
from pathlib import Path

import pytest

from models.catalog import load_catalog
from models.problems import ConfigurationError
from tests.unit.catalog_files import write

PLANS = """
plans:
  - {id: monthly, currency: USD, charges: [{id: fee, price: {model: flat, amount: 30}}]}
  - id: weekly
    currency: USD
    interval: week
    charges: [{id: fee, price: {model: flat, amount: 9}}]
  - id: yearly
    currency: USD
    interval: year
    charges: [{id: fee, price: {model: flat, amount: 300}}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "catalog").mkdir()
    return tmp_path / "catalog"


def contracts_of(folder: Path, *contracts: str) -> dict[str, tuple[date, date | None, int]]:
    text = "customers:\n  - id: c\n    contracts:\n"
    text += "".join(f"      - {{{contract}}}\n" for contract in contracts)
    catalog = load_catalog(write(folder, {"a": PLANS, "b": text}))
    return {
        contract.id: (contract.start, contract.end, contract.period_anchor)
        for contract in catalog.customers[0].contracts
    }


FIRST = "id: a, plan: monthly, start: 2026-01-31"


def test_a_contract_ends_when_another_one_replaces_it(folder: Path) -> None:
    # Whatever their order in the file.
    found = contracts_of(folder, "id: b, plan: yearly, start: 2026-03-05, replaces: a", FIRST)
    assert found["a"] == (date(2026, 1, 31), date(2026, 3, 5), 31)
    assert found["b"] == (date(2026, 3, 5), None, 31)


def test_a_replacement_may_have_an_anchor_of_its_own(folder: Path) -> None:
    second = "id: b, plan: monthly, start: 2026-03-05, replaces: a, anchor_day: 5, end: 2026-04-05"
    assert contracts_of(folder, FIRST, second)["b"] == (date(2026, 3, 5), date(2026, 4, 5), 5)


@pytest.mark.parametrize(
    ("asked", "begins"),
    [
        ("2026-02-01", "2026-02-28"),
        ("2026-02-28", "2026-02-28"),
        ("2026-03-01", "2026-03-31"),
    ],
)
def test_at_the_end_of_a_period_it_begins_with_the_next(
    folder: Path, asked: str, begins: str
) -> None:
    second = f"id: b, plan: monthly, start: {asked}, replaces: a, change: period_end"
    found = contracts_of(folder, FIRST, second)
    assert found["a"][1] == found["b"][0] == date.fromisoformat(begins)


def test_the_end_of_a_trial_is_the_beginning_of_a_period(folder: Path) -> None:
    second = "id: b, plan: monthly, start: 2026-02-10, replaces: a, change: period_end"
    found = contracts_of(folder, FIRST + ", trial_days: 20", second)
    assert found["b"][0] == date(2026, 2, 20)


def test_a_year_may_have_to_end_first(folder: Path) -> None:
    second = "id: b, plan: monthly, start: 2026-03-02, replaces: a, change: period_end"
    found = contracts_of(folder, "id: a, plan: yearly, start: 2026-03-01", second)
    assert found["a"][1] == date(2027, 3, 1)


def test_days_and_weeks_have_no_anchor(folder: Path) -> None:
    found = contracts_of(folder, FIRST, "id: b, plan: weekly, start: 2026-03-05, replaces: a")
    assert found["b"] == (date(2026, 3, 5), None, 5)


def test_replacements_follow_each_other(folder: Path) -> None:
    found = contracts_of(
        folder,
        FIRST,
        "id: b, plan: yearly, start: 2026-02-01, replaces: a, change: period_end",
        "id: c, plan: monthly, start: 2026-06-10, replaces: b",
    )
    assert found["b"] == (date(2026, 2, 28), date(2026, 6, 10), 31)
    assert found["c"] == (date(2026, 6, 10), None, 31)


@pytest.mark.parametrize(
    ("contracts", "message"),
    [
        (
            [FIRST, "id: b, plan: monthly, start: 2026-03-05, replaces: aa"],
            "contracts[1].replaces: the customer has no contract aa; did you mean a?",
        ),
        (
            [FIRST, "id: b, plan: monthly, start: 2026-01-31, replaces: a"],
            "contracts[1].start: the contract b starts on 2026-01-31, when a, which it replaces, "
            "has not begun: it starts on 2026-01-31",
        ),
        (
            [FIRST + ", end: 2026-05-01", "id: b, plan: monthly, start: 2026-03-05, replaces: a"],
            "contracts[1].replaces: the contract a ends on 2026-05-01 already; a contract is "
            "replaced once, and has no other end",
        ),
        (
            [
                FIRST,
                "id: b, plan: monthly, start: 2026-03-05, replaces: a",
                "id: c, plan: monthly, start: 2026-04-05, replaces: a",
            ],
            "contracts[2].replaces: the contract a ends on 2026-03-05 already; a contract is "
            "replaced once, and has no other end",
        ),
        (
            [
                FIRST,
                "id: b, plan: monthly, start: 2026-03-05, replaces: a, change: period_end",
                "id: c, plan: monthly, start: 2026-03-10, replaces: b",
            ],
            "contracts[2].start: the contract c starts on 2026-03-10, when b, which it replaces, "
            "has not begun: it starts on 2026-03-31",
        ),
        (
            [
                FIRST + ", wallets: [{id: w, automatic: {below: 5, amount: 5}}], credits: ["
                "{id: paid, amount: 5, paid: true}, {id: gift, amount: 5}, "
                "{id: over, amount: 5, paid: true, expires: 2026-03-05}]",
                "id: b, plan: monthly, start: 2026-03-05, replaces: a",
            ],
            "contracts[1].replaces: what is left of w, paid, which the customer has bought, would "
            "be lost with the contract a; give that an end",
        ),
        (
            [FIRST + ", change: period_end"],
            "contracts[0]: says how it changes, and not what: expected replaces, a contract's id",
        ),
        (
            [
                FIRST,
                "id: b, plan: monthly, start: 2026-03-05, end: 2026-03-20, replaces: a, "
                "change: period_end",
            ],
            "contracts[1].end: ends on 2026-03-20, when it has not begun: with period_end it "
            "starts on 2026-03-31",
        ),
    ],
)
def test_what_replaces_nothing_is_refused(folder: Path, contracts: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        contracts_of(folder, *contracts)
    assert message in str(refused.value)
