"""Catalogs that contradict themselves, or say what never holds: refused, where it stands."""

from pathlib import Path

import pytest

from models.catalog import load_catalog
from models.problems import ConfigurationError
from tests.unit.catalog_files import write

DIMENSIONS = """\
dimensions:
  - {id: data, aggregation: sum}
  - {id: calls, aggregation: sum}
"""
PER_UNIT = "price: {model: per_unit, unit_amount: 1}"
PLANS = f"""\
plans:
  - id: monthly
    currency: USD
    charges: [{{id: data, dimension: data, {PER_UNIT}}}]
  - id: weekly
    currency: USD
    interval: week
    charges: [{{id: calls, dimension: calls, {PER_UNIT}}}]
  - id: old
    currency: USD
    to: 2026-01-01
    charges: [{{id: data, dimension: data, {PER_UNIT}}}]
  - id: future
    currency: USD
    from: 2027-01-01
    charges: [{{id: data, dimension: data, {PER_UNIT}}}]
  - id: euros
    currency: EUR
    charges: [{{id: data, dimension: data, {PER_UNIT}}}]
"""
TAXES = """\
taxes:
  - {id: gone, percent: 19, to: 2025-01-01}
  - {id: gone, percent: 16, from: 2025-01-01, to: 2025-07-01}
"""


def problems_of(tmp_path: Path, text: str) -> list[str]:
    folder = tmp_path / "catalog"
    folder.mkdir()
    shared = DIMENSIONS + PLANS + TAXES
    try:
        load_catalog(write(folder, {"a": shared, "b": text}))
    except ConfigurationError as error:
        return [str(problem) for problem in error.problems]
    return []


def of_customer(*contracts: str, says: str = "") -> str:
    lines = "".join(f"      - {contract}\n" for contract in contracts)
    return f"customers:\n  - id: c\n{says}    contracts:\n{lines}"


START = "start: 2026-02-10"


@pytest.mark.parametrize(
    ("terms", "problem"),
    [
        (
            f"plan: old, {START}",
            "plan: the plan old is sold until 2026-01-01, and the contract starts on 2026-02-10; "
            "see to in catalog/a.yml:",
        ),
        (
            f"plan: future, {START}",
            "plan: the plan future is sold from 2027-01-01, and the contract starts on 2026-02-10",
        ),
        (f"plan: gone, {START}", "plan: there is no plan gone"),
        (
            f"plan: weekly, {START}, anchor_day: 15",
            "anchor_day: the plan weekly is billed by the week, and anchor_day is a day of the "
            "month: leave it out",
        ),
        (
            f"plan: monthly, {START}, end: 2026-03-10, trial_days: 29",
            "trial_days: the trial goes on until 2026-03-11, when the contract has ended: it ends "
            "on 2026-03-10",
        ),
        (
            f"plan: monthly, {START}, trial_days: 30, discounts: [{{percent: 5, to: 2026-03-12}}]",
            "discounts[0].to: ends on 2026-03-12, within the trial: nothing is billed before "
            "2026-03-12",
        ),
        (
            f"plan: monthly, {START}, trial_days: 30, "
            f"overrides: [{{charge: data, to: 2026-03-01, {PER_UNIT}}}]",
            "overrides[0].to: ends on 2026-03-01, within the trial",
        ),
        (
            f"plan: monthly, {START}, trial_days: 30, "
            "credits: [{id: x, amount: 5, expires: 2026-03-01}]",
            "credits[0].expires: ends on 2026-03-01, within the trial",
        ),
        (
            f"plan: monthly, {START}, credits: [{{id: x, amount: 5, applies_to: [calls]}}]",
            "credits[0].applies_to[0]: there is no charge in the plan monthly called calls",
        ),
        (
            f"plan: monthly, {START}, discounts: [{{percent: 5, charges: []}}]",
            "discounts[0].charges: needs at least one; without the key, all are meant",
        ),
        (
            f"plan: monthly, {START}, discounts: [{{percent: 5, charges: [data, data]}}]",
            "discounts[0].charges: data stands twice",
        ),
        (
            f"plan: monthly, {START}, overrides: [{{charge: calls, {PER_UNIT}}}]",
            "overrides[0].charge: there is no charge in the plan monthly called calls",
        ),
        (
            f"plan: monthly, {START}, opening_invoice: true",
            "opening_invoice: nothing is paid when the contract begins: the plan monthly has no",
        ),
        ("plan: monthly, start: 0001-01-01", "start: 0001-01-01 is not between 1970 and 2999"),
        (f"plan: monthly, {START}, end: 9999-12-31", "end: 9999-12-31 is not between 1970 and"),
    ],
)
def test_a_contract_that_contradicts_itself(tmp_path: Path, terms: str, problem: str) -> None:
    [found] = problems_of(tmp_path, of_customer(f"{{id: k, {terms}}}"))
    assert found.startswith(f"catalog/b.yml:4: customers[0].contracts[0].{problem}")


@pytest.mark.parametrize(
    "terms",
    [
        "plan: old, start: 2025-12-31",
        "plan: future, start: 2027-01-01",
        "plan: weekly, start: 2026-02-10",
        f"plan: monthly, {START}, end: 2026-03-10, trial_days: 28",
        f"plan: monthly, {START}, trial_days: 30, discounts: [{{percent: 5, to: 2026-03-13}}]",
    ],
)
def test_what_just_holds(tmp_path: Path, terms: str) -> None:
    assert problems_of(tmp_path, of_customer(f"{{id: k, {terms}}}")) == []


@pytest.mark.parametrize(
    ("says", "problem"),
    [
        (
            "    tax: gone\n",
            "customers[0].tax[0]: the tax gone has ended on 2025-07-01, and the customer is billed "
            "from 2026-02-10; give it a rate that holds then",
        ),
        (
            "    tax: []\n    tax_exempt: reverse\n",
            "customers[0].tax_exempt: reverse says why taxes are not charged, and tax: [] that "
            "there are none; leave one of them out",
        ),
        ("    tax: vat\n", "customers[0].tax: there is no tax vat"),
        (
            "    currency: EUR\n",
            "customers[0].contracts[0].plan: the plan monthly is in USD, and the customer's "
            "currency is EUR",
        ),
    ],
)
def test_a_customer_that_contradicts_itself(tmp_path: Path, says: str, problem: str) -> None:
    text = of_customer(f"{{id: k, plan: monthly, {START}}}", says=says)
    [found] = problems_of(tmp_path, text)
    assert found.startswith("catalog/b.yml:")
    assert problem in found


def test_a_child_does_not_decide_how_its_parent_is_billed(tmp_path: Path) -> None:
    child = "  - id: lab\n    parent: c\n    bill_to: parent\n    consolidated_invoices: true\n"
    text = of_customer(f"{{id: k, plan: monthly, {START}}}") + child
    assert problems_of(tmp_path, text) == [
        "catalog/b.yml:8: customers[1].consolidated_invoices: the invoices of lab go to c, which "
        "decides how they are taxed, consolidated and sent: say it there"
    ]


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        (
            "{id: l, plan: monthly, start: 2026-03-09}",
            "customers[0].contracts[1]: the contract l runs at the same time as k, and both price "
            "data; end one before the other starts",
        ),
        (
            "{id: l, plan: euros, start: 2026-03-10}",
            "customers[0].contracts[1].plan: the plan euros is in EUR, and the currency of the "
            "plan monthly is USD; a customer is billed in one currency",
        ),
    ],
)
def test_contracts_that_contradict_each_other(tmp_path: Path, second: str, problem: str) -> None:
    first = f"{{id: k, plan: monthly, {START}, end: 2026-03-10}}"
    [found] = problems_of(tmp_path, of_customer(first, second))
    assert found.startswith(f"catalog/b.yml:5: {problem}")


@pytest.mark.parametrize(
    ("charge", "problem"),
    [
        (
            "dimension: data, price: {model: graduated, tiers: [{up_to: 5, unit_amount: 1}, "
            "{up_to: 4, unit_amount: 1}, {unit_amount: 1}]}",
            "price.tiers: tiers must rise: tier [1] ends at 4, and the one before it at 5",
        ),
        (f"dimension: dat, {PER_UNIT}", "dimension: there is no dimension dat; did you mean data?"),
        (f"dimension: data, minimum: 2, maximum: 1, {PER_UNIT}", "the minimum 2 is more than the"),
    ],
)
def test_a_charge_that_contradicts_itself(tmp_path: Path, charge: str, problem: str) -> None:
    text = f"plans:\n  - id: p\n    currency: USD\n    charges: [{{id: a, {charge}}}]\n"
    [found] = problems_of(tmp_path, text)
    assert found.startswith("catalog/b.yml:4: plans[0].charges[0]")
    assert problem in found


TRIED = """\
dimensions:
  - {id: disks, aggregation: max}
  - {id: members, aggregation: latest}
plans:
  - id: tried
    currency: USD
    charges: [{id: a, CHARGE}]
customers:
  - id: c
    contracts:
      - id: k
        plan: tried
        start: 2026-02-10
        overrides: [OVERRIDES]
        trial_allowance:
          units: [{charge: a, quantity: 5}]
"""
MATRIX = "{model: matrix, by: [size], default: 1, prices: [{match: {size: XL}, unit_amount: 2}]}"


@pytest.mark.parametrize(
    ("charge", "override", "problem"),
    [
        ("price: {model: flat, amount: 5}", "", "is a fee, and has no units"),
        (f"dimension: disks, {PER_UNIT}", "", "is of a level, which does not add up to units"),
        (
            f"dimension: data, bucket: {{every: day, then: max}}, {PER_UNIT}",
            "",
            "is of a level, which does not add up to units",
        ),
        ("dimension: members, price: {model: seat, unit_amount: 5}", "", "is of a level, which"),
        (
            "price: {model: capacity, tiers: [{limits: {disks: 5}, amount: 1}, {amount: 2}]}",
            "",
            "is of a level",
        ),
        (f"dimension: data, price: {MATRIX}", "", "has a matrix, which does not say at which"),
        (
            f"dimension: data, {PER_UNIT}",
            f"{{charge: a, price: {MATRIX}}}",
            "has a matrix, which does not say at which of its prices the first units are free",
        ),
        (
            "dimension: data, price: {model: percentage, percent: 1, fixed_amount: 1}",
            "",
            "asks something of each record, and units do not say of which records they are",
        ),
        (
            "dimension: data, bucket: {every: day, then: price}, "
            "price: {model: package, package_size: 5, package_amount: 1}",
            "",
            "has a price for each of its buckets, and units are of all of them",
        ),
    ],
)
def test_a_charge_of_which_a_trial_has_no_units(
    tmp_path: Path, charge: str, override: str, problem: str
) -> None:
    text = TRIED.replace("CHARGE", charge).replace("OVERRIDES", override)
    [found] = problems_of(tmp_path, text)
    place = "customers[0].contracts[0].trial_allowance.units[0].charge"
    assert found.startswith(f"catalog/b.yml:16: {place}: the charge a {problem}")
    assert found.endswith("; write amount instead")


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        (
            "{id: all, method: even}, {id: ec2, match: {service: EC2}, method: unallocated}",
            "cost_rules[1]: the cost rule ec2 never decides: all before it, in catalog/b.yml:1, "
            "matches all that it matches; write it first",
        ),
        (
            "{id: team, match: {tag: {team: null}}, method: even}, "
            "{id: search, match: {service: EC2, tag: {team: search}}, method: even}",
            "cost_rules[1]: the cost rule search never decides: team before it",
        ),
    ],
)
def test_a_cost_rule_that_never_decides(tmp_path: Path, rules: str, problem: str) -> None:
    [found] = problems_of(tmp_path, f"cost_rules: [{rules}]")
    assert found.startswith(f"catalog/b.yml:1: {problem}")


@pytest.mark.parametrize(
    "rules",
    [
        "{id: tagged, method: direct, tenant_tag: tenant}, {id: all, method: even}",
        "{id: ec2, match: {service: EC2}, method: even}, {id: all, method: unallocated}",
        "{id: a, match: {tag: {team: search}}, method: even}, "
        "{id: b, match: {tag: {team: null}}, method: even}",
    ],
)
def test_cost_rules_that_leave_something_to_the_next(tmp_path: Path, rules: str) -> None:
    assert problems_of(tmp_path, f"cost_rules: [{rules}]") == []
