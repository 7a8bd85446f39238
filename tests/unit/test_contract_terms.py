"""What a contract may say beyond its plan, and what is refused."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from models.catalog import load_catalog
from models.catalog_rows import catalog_rows
from models.contracts import Contract
from models.period_days import begins_on, period_starts
from models.prices import Plan
from models.problems import ConfigurationError
from tests.unit.catalog_files import DIMENSIONS, PLANS, write

IN_ARREARS = PLANS.replace("timing: advance", "timing: arrears")


def with_terms(terms: str, plan: str = "payg", plans: str = IN_ARREARS) -> dict[str, str]:
    contract = f"{{id: k, plan: {plan}, start: 2026-01-15, end: 2027-01-15, {terms}}}"
    text = f"customers:\n  - id: c\n    contracts:\n      - {contract}\n"
    return {"a": DIMENSIONS + plans, "b": text}


def rows_of(folder: Path, terms: str) -> dict[str, list[dict[str, Any]]]:
    catalog = load_catalog(write(folder, with_terms(terms)))
    return {table.name: rows for table, rows in catalog_rows(catalog)}


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ("discounts: [{charges: [data]}]", "discounts[0]: needs percent or amount, and not both"),
        (
            "discounts: [{percent: 5, amount: 5}]",
            "discounts[0]: needs percent or amount, and not both",
        ),
        ("discounts: [{amount: 0}]", "discounts[0].amount: must be more than 0"),
        (
            "discounts: [{amount: '0.001'}]",
            "discounts[0].amount: 0.001 has more decimals than USD, which has 2",
        ),
        (
            "discounts: [{percent: 5, max_periods: 0}]",
            "discounts[0].max_periods: must be at least 1, not 0",
        ),
        (
            "discounts: [{percent: 5, max_periods: '1.5'}]",
            'discounts[0].max_periods: expected a whole number, not "1.5"',
        ),
        ("commitments: [{to: 2026-07-15}]", "commitments[0].amount: is missing"),
        (
            "commitments: [{amount: '0.001'}]",
            "commitments[0].amount: 0.001 has more decimals than USD, which has 2",
        ),
        (
            "commitments: [{amount: 5, prepayment_discount: 10}]",
            "commitments[0]: has a prepayment_discount, and is not paid in advance; expected "
            "instalments, of which 1 is all at once",
        ),
        (
            "commitments: [{amount: 5, overage_factor: 0}]",
            "commitments[0].overage_factor: must be more than 0",
        ),
        (
            "commitments: [{amount: 5, overage_factor: 1.5}]",
            "commitments[0].overage_factor: 1.5 is a YAML float",
        ),
        (
            "commitments: [{amount: 5, from: 2026-03-16}]",
            "commitments[0].from: 2026-03-16 is not a day on which a billing period of the "
            "contract begins; a commitment holds for whole periods",
        ),
        (
            "commitments: [{amount: 5, to: 2026-03-01}]",
            "commitments[0].to: 2026-03-01 is not a day on which a billing period of the "
            "contract begins; a commitment holds for whole periods",
        ),
        (
            "commitments: [{amount: 5, to: 2027-02-15}]",
            "commitments[0].to: goes on until 2027-02-15, when the contract has ended: it ends "
            "on 2027-01-15",
        ),
        (
            "commitments: [{amount: 5, to: 2026-04-15}, {amount: 5, from: 2026-03-15}]",
            "commitments[1]: two commitments hold on the same day; the other one is in "
            "catalog/b.yml:4",
        ),
        (
            "commitments: [{amount: 5, to: 2026-01-15}]",
            "commitments[0].to: ends on 2026-01-15, when the contract has not begun",
        ),
        (
            "commitments: [{amount: 5, instalments: 5}]",
            "commitments[0].instalments: the term has 12 billing periods, over which 5 "
            "instalments cannot be spread evenly",
        ),
        (
            "commitments: [{amount: 5, instalments: 24}]",
            "commitments[0].instalments: the term has 12 billing periods, over which 24",
        ),
        (
            "commitments: [{amount: 5, instalments: 4}], minimum: {amount: 5}",
            "commitments[0].instalments: a commitment that is paid in instalments cannot stand "
            "beside a minimum of each period",
        ),
        (
            "commitments: [{amount: 12, instalments: 12}], opening_invoice: true, "
            "overrides: [{charge: platform, price: {model: flat, amount: 5, timing: once}}]",
            "commitments[0].instalments: a fee that is billed once, with the opening invoice, "
            "cannot draw on instalments",
        ),
        (
            "credits: [{id: x, amount: 5, applies_to: []}]",
            "credits[0].applies_to: needs at least one; without the key, all are meant",
        ),
        (
            "credits: [{id: x, amount: 5, applies_to: [data, data]}]",
            "credits[0].applies_to: data stands twice",
        ),
        (
            "credits: [{id: x, amount: 5, applies_to: [data, cals]}]",
            "credits[0].applies_to[1]: there is no charge in the plan payg called cals; "
            "did you mean calls?",
        ),
        (
            "trial_allowance: {}",
            "trial_allowance: needs an amount, or units: [{charge, quantity}]",
        ),
        (
            "trial_allowance: {units: [{charge: cals, quantity: 5}]}",
            "trial_allowance.units[0].charge: there is no charge in the plan payg called cals; "
            "did you mean calls?",
        ),
        (
            "trial_allowance: {units: [{charge: calls, quantity: 0}]}",
            "trial_allowance.units[0].quantity: must be more than 0",
        ),
        (
            "trial_allowance: {units: [{charge: calls, quantity: 5}, {charge: calls, quantity: 9}]"
            "}",
            "trial_allowance.units[1].charge: the charge calls stands twice",
        ),
    ],
)
def test_problems_of_terms(tmp_path: Path, terms: str, message: str) -> None:
    folder = tmp_path / "catalog"
    folder.mkdir()
    with pytest.raises(ConfigurationError) as caught:
        load_catalog(write(folder, with_terms(terms)))
    [problem] = caught.value.problems
    assert str(problem).startswith("catalog/b.yml:4: customers[0].contracts[0]")
    assert message in str(problem)


def test_a_commitment_of_a_contract_without_an_end_needs_its_own(tmp_path: Path) -> None:
    text = (
        "customers:\n  - id: c\n    contracts:\n"
        "      - {id: k, plan: tokyo, start: 2026-01-01, commitments: [{amount: 5}]}\n"
    )
    with pytest.raises(ConfigurationError, match="needs to, the day after the term"):
        load_catalog(write(tmp_path, {"a": DIMENSIONS + PLANS, "b": text}))


def test_amounts_have_the_decimals_of_the_currency(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"0\.5 has more decimals than JPY, which has 0"):
        load_catalog(write(tmp_path, with_terms("discounts: [{amount: '0.5'}]", plan="tokyo")))


def test_a_discount_is_percent_or_an_amount_for_some_periods(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "discounts: [{amount: '9.5', charges: [data], max_periods: 3}]")
    [row] = rows["contract_discounts"]
    assert (row["percent"], row["amount"]) == (None, Decimal("9.5"))
    assert (row["max_periods"], row["valid_to"]) == (3, None)


def test_a_commitment_holds_as_long_as_its_contract(tmp_path: Path) -> None:
    rows = rows_of(
        tmp_path,
        "commitments: [{amount: 1, to: 2026-07-15}, {amount: 2, "
        "from: 2026-07-15, overage_factor: '1.2'}]",
    )
    terms = [
        (row["commitment_number"], row["valid_from"], row["valid_to"], row["overage_factor"])
        for row in rows["contract_commitments"]
    ]
    assert terms == [
        (1, date(2026, 1, 15), date(2026, 7, 15), 1),
        (2, date(2026, 7, 15), date(2027, 1, 15), Decimal("1.2")),
    ]


def test_instalments_are_due_evenly_and_add_up_to_the_commitment(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "commitments: [{amount: '100.03', instalments: 4}]")
    instalments = [
        (row["due_on"], row["covered_until"], str(row["amount"]))
        for row in rows["commitment_instalments"]
    ]
    assert instalments == [
        (date(2026, 1, 15), date(2026, 4, 15), "25.01"),
        (date(2026, 4, 15), date(2026, 7, 15), "25.01"),
        (date(2026, 7, 15), date(2026, 10, 15), "25.01"),
        (date(2026, 10, 15), date(2027, 1, 15), "25.00"),
    ]
    assert [row["is_prepaid"] for row in rows["contract_commitments"]] == [True]


def test_what_is_billed_in_advance_cannot_draw_on_instalments(tmp_path: Path) -> None:
    terms = "commitments: [{amount: 5, instalments: 4}]"
    with pytest.raises(ConfigurationError, match="bill it in arrears"):
        load_catalog(write(tmp_path, with_terms(terms, plans=PLANS)))


@pytest.mark.parametrize(
    ("interval", "anchor", "trial", "days", "others"),
    [
        ("month", None, 0, ["2026-02-28", "2028-02-29", "2026-04-30"], ["2026-02-27"]),
        ("month", 1, 0, ["2026-01-31", "2026-02-01"], ["2026-02-28"]),
        ("month", 1, 14, ["2026-02-14", "2026-03-01"], ["2026-03-14"]),
        ("quarter", None, 0, ["2026-04-30", "2026-07-31"], ["2026-05-31"]),
        ("year", None, 0, ["2027-01-31"], ["2027-02-28", "2026-07-31"]),
        ("week", None, 0, ["2026-02-07"], ["2026-02-08"]),
        ("day", None, 0, ["2026-02-08"], []),
    ],
)
def test_periods_begin_on_the_anchor(
    interval: Any, anchor: int | None, trial: int, days: list[str], others: list[str]
) -> None:
    contract = Contract(
        id="k", plan="p", start=date(2026, 1, 31), anchor_day=anchor, trial_days=trial
    )
    plan = Plan(id="p", currency="USD", interval=interval, charges=())
    assert all(begins_on(contract, plan, date.fromisoformat(day)) for day in days)
    assert not any(begins_on(contract, plan, date.fromisoformat(day)) for day in others)
    starts = list(period_starts(contract, plan, date(2026, 1, 1), date(2026, 12, 31)))
    assert all(begins_on(contract, plan, day) for day in starts)
    assert starts[0] == contract.billing_start


def test_a_discount_without_an_id_is_known_by_what_it_is_about(tmp_path: Path) -> None:
    before = "{amount: 5}, {percent: 5, charges: [calls, data]}, {percent: 7}, {percent: 8}"
    after = (
        "{percent: 1, id: new}, {percent: 9, charges: [data, calls], to: 2026-09-01}, "
        "{percent: 8}, {percent: 7, max_periods: 2}, {amount: 6}, {amount: 5, from: 2026-02-15}"
    )
    found = {}
    for name, discounts in (("before", before), ("after", after)):
        (tmp_path / name / "catalog").mkdir(parents=True)
        rows = rows_of(tmp_path / name / "catalog", f"discounts: [{discounts}]")
        found[name] = {
            row["discount_number"]: row["discount_id"] for row in rows["contract_discounts"]
        }
    assert found["before"] == {
        1: "amount off all charges since the start, 1",
        2: "percent off calls, data since the start, 1",
        3: "percent off all charges since the start, 1",
        4: "percent off all charges since the start, 2",
    }
    assert found["after"] == {
        1: "new",
        2: found["before"][2],
        3: found["before"][3],
        4: found["before"][4],
        5: found["before"][1],
        6: "amount off all charges since 2026-02-15, 1",
    }


def test_two_discounts_have_two_ids(tmp_path: Path) -> None:
    discounts = "discounts: [{id: a, percent: 5}, {id: a, percent: 7}, {percent: 5}]"
    with pytest.raises(ConfigurationError) as refused:
        rows_of(tmp_path, discounts)
    assert "discounts[1].id: the id a is already taken among the discounts of k" in str(
        refused.value
    )


@pytest.mark.parametrize(("days", "expires"), [("", None), (", trial_days: 10", date(2026, 1, 25))])
def test_an_allowance_is_a_credit_from_the_first_day(
    tmp_path: Path, days: str, expires: date | None
) -> None:
    rows = rows_of(tmp_path, f"trial_allowance: {{amount: 50}}{days}")
    [grant], [contract] = rows["credit_grants"], rows["contracts"]
    assert (grant["credit_id"], grant["expires_on"], grant["is_paid"]) == ("trial", expires, False)
    assert contract["billing_start_date"] == grant["valid_from"] == date(2026, 1, 15)
    assert rows["contract_trial_units"] == []


@pytest.mark.parametrize(("days", "expires"), [("", None), (", trial_days: 10", date(2026, 1, 25))])
def test_units_of_an_allowance_are_no_credit(
    tmp_path: Path, days: str, expires: date | None
) -> None:
    rows = rows_of(
        tmp_path, f"trial_allowance: {{units: [{{charge: calls, quantity: '0.5'}}]}}{days}"
    )
    [units], [contract] = rows["contract_trial_units"], rows["contracts"]
    assert (units["charge_id"], units["quantity"]) == ("calls", Decimal("0.5"))
    assert (units["expires_on"], contract["billing_start_date"]) == (expires, date(2026, 1, 15))
    assert rows["credit_grants"] == []
