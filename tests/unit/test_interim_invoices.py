"""Interim invoices are refused wherever a cut would change what a period comes to."""

from pathlib import Path

import pytest

from models.catalog import load_catalog
from models.catalog_rows import catalog_rows
from models.problems import ConfigurationError
from tests.unit.catalog_files import write

TEXT = """\
dimensions:
  - {{id: calls, aggregation: {aggregation}}}
plans:
  - id: plain
    currency: USD
    interval: {interval}
    charges:
      - {{id: calls, dimension: calls, price: {price}{charge}}}
      - {{id: platform, price: {{model: flat, amount: 30{fee}}}}}
customers:
  - id: acme
    contracts:
      - {{id: acme, plan: plain, start: 2026-01-15, end: 2027-01-15,
         interim_invoices: {days}{contract}}}
"""
PLAIN = {
    "aggregation": "sum",
    "interval": "month",
    "price": "{model: per_unit, unit_amount: 1}",
    "charge": "",
    "fee": "",
    "days": "[2026-06-20]",
    "contract": "",
}


def problems(folder: Path, **said: str) -> list[str]:
    write(folder, {"all": TEXT.format(**{**PLAIN, **said})})
    try:
        load_catalog(folder)
    except ConfigurationError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"days": "[2026-01-15]"}, "2026-01-15 is not within the days that the contract bills"),
        ({"days": "[2027-01-15]"}, "2027-01-15 is not within the days that the contract bills"),
        ({"days": "[2026-06-15]"}, "a billing period begins on 2026-06-15 anyway"),
        ({"interval": "day"}, "a billing period begins on 2026-06-20 anyway"),
        ({"days": "[2026-06-20, 2026-06-20]"}, "2026-06-20 stands twice"),
        ({"charge": ", included: 5"}, "the charge calls has included units, a minimum or"),
        ({"charge": ", minimum: 5"}, "the charge calls has included units, a minimum or"),
        ({"charge": ", bucket: {every: day, then: max}"}, "an aggregation that does not add up"),
        ({"aggregation": "max"}, "an aggregation that does not add up"),
        ({"aggregation": "sum, rounding: {decimals: 0, mode: up}"}, "a quantity that is rounded"),
        (
            {"price": "{model: volume, tiers: [{unit_amount: 1}]}"},
            "the charge calls has a price that counts over whole periods",
        ),
        (
            {"price": "{model: percentage, percent: 1, free_records: 1}"},
            "the charge calls has a price that counts over whole periods",
        ),
        ({"fee": ", prorate: false"}, "the charge platform has a price that counts"),
        ({"fee": ", timing: advance"}, "the charge platform has a price that counts"),
        ({"contract": ", minimum: {amount: 5}"}, "minimum of the contract counts over whole"),
        ({"contract": ", commitments: [{amount: 5}]"}, "commitments of the contract counts"),
        ({"contract": ", discounts: [{amount: 5}]"}, "a discount may only be a percentage"),
        (
            {"contract": ", discounts: [{percent: 5, max_periods: 1}]"},
            "a discount may only be a percentage",
        ),
        (
            {"contract": ", credits: [{id: c, amount: 5, expires: 2026-06-25}]"},
            "the credit c is not of the contract as a whole",
        ),
        (
            {
                "contract": ", overrides: [{charge: calls, from: 2026-03-01,"
                " price: {model: package, package_size: 5, package_amount: 1}}]"
            },
            "the charge calls has a price that counts over whole periods",
        ),
    ],
)
def test_a_cut_that_would_change_an_amount_is_refused(
    tmp_path: Path, said: dict[str, str], reason: str
) -> None:
    [problem] = problems(tmp_path, **said)
    assert problem.startswith("all.yml:") or "/all.yml:" in problem
    assert ".interim_invoices" in problem
    assert reason in problem


def test_what_adds_up_may_be_cut(tmp_path: Path) -> None:
    assert problems(tmp_path) == []
    linear = "{model: percentage, percent: 1, fixed_amount: 1, min_amount: 1}"
    assert problems(tmp_path, price=linear, aggregation="sum, convert: {divide: 10}") == []
    terms = ", discounts: [{percent: 5}], credits: [{id: c, amount: 5, priority: 1}]"
    assert problems(tmp_path, contract=terms) == []


def test_a_cut_is_a_row(tmp_path: Path) -> None:
    text = TEXT.format(**{**PLAIN, "days": "[2026-08-01, 2026-06-20]"})
    version = load_catalog(write(tmp_path, {"all": text}))
    rows = {table.name: rows for table, rows in catalog_rows(version)}["contract_cuts"]
    assert [(row["contract_id"], str(row["cut_on"])) for row in rows] == [
        ("acme", "2026-06-20"),
        ("acme", "2026-08-01"),
    ]
