"""What charges and their prices may say, and what of it is refused."""

from pathlib import Path

import pytest

from models.catalog import load_catalog
from models.prices import Charge, Plan
from models.problems import ConfigurationError
from tests.unit.catalog_files import write

DIMENSIONS = """\
dimensions:
  - {id: money, aggregation: sum}
  - {id: calls, aggregation: count}
  - {id: peak, aggregation: max}
  - {id: seats, aggregation: latest, carry_over: true}
  - {id: desks, aggregation: latest}
  - {id: users, aggregation: count_distinct, distinct_on: user}
  - {id: stored, aggregation: time_weighted, deltas: true, carry_over: true}
  - {id: traffic, aggregation: percentile, percentile: "95"}
"""
PLAN = "plans:\n  - id: p\n    currency: USD\n    charges:\n"
PER_UNIT = "price: {model: per_unit, unit_amount: 1}"
TIERS = "price: {model: graduated, tiers: [{up_to: 10, unit_amount: 2}, {unit_amount: 1}]}"
MATRIX = (
    "price: {model: matrix, by: [region, sku], default: 3, "
    "prices: [{match: {region: eu}, unit_amount: 2}]}"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "catalog").mkdir()
    return tmp_path / "catalog"


def plan_of(*charges: str) -> str:
    return PLAN + "".join(f"      - {charge}\n" for charge in charges)


def problems_of(folder: Path, **files: str) -> list[str]:
    try:
        load_catalog(write(folder, {"dimensions": DIMENSIONS, **files}))
    except ConfigurationError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    "charge",
    [
        "{id: a, dimension: money, price: {model: stairstep, tiers: "
        "[{up_to: 5, flat_amount: 1}, {flat_amount: 2}]}}",
        '{id: a, dimension: money, included: 100, price: {model: percentage, percent: "2.9", '
        'fixed_amount: "0.30"}}',
        '{id: a, dimension: money, price: {model: percentage, percent: "2.9", free_records: 3, '
        "free_amount: 10, min_amount: 1, max_amount: 1}}",
        "{id: a, dimension: money, price: {model: graduated_percentage, tiers: "
        '[{up_to: 1000, percent: "1.5", flat_amount: 5}, {percent: 1}]}}',
        "{id: a, dimension: money, price: {model: dynamic}}",
        '{id: a, dimension: money, price: {model: dynamic, multiplier: "1.2"}}',
        "{id: a, dimension: money, included: 5, price: {model: credits, default: 1, "
        "credit_amount: 3, rates: [{match: {size: XL, region: eu}, credits: 16}, "
        "{match: {size: XL}, credits: 8}]}}",
        "{id: a, dimension: money, price: {model: credits, default: 1, credit_amount: 3}}",
        f"{{id: a, dimension: money, where: {{region: [eu, us], tier: 1}}, {MATRIX}}}",
        f"{{id: a, dimension: money, tiers_span: period, minimum: 3, maximum: 3, {TIERS}}}",
        f"{{id: a, dimension: calls, group_by: [region], {PER_UNIT}}}",
        f"{{id: a, dimension: peak, bucket: {{every: day, then: average}}, {PER_UNIT}}}",
        "{id: a, dimension: peak, bucket: {every: hour, then: sum}, tiers_span: period, "
        f"{TIERS}}}",
        f"{{id: a, dimension: peak, bucket: {{every: day, then: price}}, {TIERS}}}",
        "{id: a, where: {region: eu}, minimum: 1, price: {model: capacity, tiers: [{limits: "
        "{peak: 5, users: 2}, amount: 10}, {limits: {peak: 5}, amount: 15}, {amount: 20}]}}",
        "{id: a, dimension: seats, included: 5, price: {model: seat, unit_amount: 20}}",
        "{id: a, dimension: seats, price: {model: seat, unit_amount: 20, timing: advance}}",
        "{id: a, dimension: seats, price: {model: seat, prorate: none, on_removal: credit, "
        "tiers: [{up_to: 5, unit_amount: 20}, {unit_amount: 15}]}}",
        f"{{id: a, dimension: stored, {PER_UNIT}}}",
        f"{{id: a, dimension: traffic, {PER_UNIT}}}",
    ],
)
def test_what_charges_may_say(folder: Path, charge: str) -> None:
    assert problems_of(folder, plan=plan_of(charge)) == []


@pytest.mark.parametrize(
    ("charge", "message"),
    [
        (
            "{id: a, dimension: money, price: {model: stairstep, tiers: [{up_to: 5}, "
            "{flat_amount: 2}]}}",
            ".price.tiers[0].flat_amount: is missing",
        ),
        (
            "{id: a, dimension: money, price: {model: stairstep, tiers: "
            "[{up_to: 5, flat_amount: 1}, {up_to: 4, flat_amount: 1}, {flat_amount: 2}]}}",
            ".price.tiers: tiers must rise: tier [1] ends at 4, and the one before it at 5",
        ),
        (
            "{id: a, dimension: money, price: {model: graduated_percentage, tiers: [{}]}}",
            '.price.tiers[0]: needs a percent or a flat_amount; write "0" where it is free',
        ),
        (
            "{id: a, dimension: money, price: {model: percentage, percent: 101}}",
            ".price.percent: 101 is not a percentage from 0 to 100",
        ),
        (
            "{id: a, dimension: money, price: {model: percentage, percent: 1, free_records: -1}}",
            ".price.free_records: must be at least 0, not -1",
        ),
        (
            "{id: a, dimension: money, price: {model: percentage, percent: 1, min_amount: 2, "
            "max_amount: 1}}",
            ".price: min_amount 2 is more than max_amount 1",
        ),
        (
            "{id: a, dimension: calls, price: {model: percentage, percent: 1, fixed_amount: 2}}",
            ".price: a price of the model percentage takes values as money, and the dimension "
            "calls has the aggregation count; expected sum",
        ),
        (
            "{id: a, dimension: calls, price: {model: dynamic}}",
            ".price: a price of the model dynamic takes values as money",
        ),
        (
            "{id: a, dimension: stored, group_by: [pod], price: {model: per_unit, unit_amount: 1}}",
            ".group_by: the dimension stored has the aggregation time_weighted, whose groups do",
        ),
        (
            "{id: a, dimension: seats, bucket: {every: day, then: max}, "
            "price: {model: per_unit, unit_amount: 1}}",
            ".bucket: a level of the dimension seats is carried over, and buckets know only what",
        ),
        (
            '{id: a, dimension: calls, minimum: "10.005", '
            "price: {model: per_unit, unit_amount: 1}}",
            ".minimum: 10.005 has more decimals than USD, which has 2",
        ),
        (
            "{id: a, dimension: money, bucket: {every: day, then: max}, price: "
            "{model: percentage, percent: 1, min_amount: 2}}",
            ".price.min_amount: min_amount is asked of each record, and the charge has a bucket",
        ),
        (
            "{id: a, dimension: money, included: 5, price: "
            "{model: percentage, percent: 1, fixed_amount: 1, free_records: 2}}",
            ".price.fixed_amount: the charge a has included units, which do not say of which "
            "records they are; write free_amount instead",
        ),
        (
            "{id: a, dimension: money, price: {model: credits, credit_amount: 1}}",
            ".price.default: is missing",
        ),
        (
            "{id: a, dimension: money, price: {model: credits, credit_amount: 1, default: 1, "
            "rates: [{match: {}, credits: 1}]}}",
            ".price.rates[0].match: expected at least one key; what holds for all usage is the "
            "default",
        ),
        (
            "{id: a, dimension: money, price: {model: credits, credit_amount: 1, default: 1, "
            "rates: [{match: {a: x, b: y}, credits: 1}, {match: {b: y, a: x}, credits: 2}]}}",
            ".price.rates: [0] and [1] match the same",
        ),
        (
            "{id: a, dimension: money, price: {model: matrix, by: [a, b], default: 1, "
            "prices: [{match: {b: y}, unit_amount: 1}, {match: {b: y, a: x}, unit_amount: 2}]}}",
            ".price.prices: [1] never holds: [0] before it matches all that it matches; write it "
            "first",
        ),
        (
            "{id: a, dimension: money, price: {model: matrix, by: [a], default: 1, "
            "prices: [{match: {b: y}, unit_amount: 1}]}}",
            ".price: prices[0] matches b, which is not listed in by",
        ),
        (
            "{id: a, dimension: money, price: {model: matrix, by: [], default: 1, prices: []}}",
            ".price.by: expected at least one key of the records' metadata",
        ),
        (
            "{id: a, dimension: money, price: {model: matrix, by: [a, a], default: 1, prices: []}}",
            ".price.by: a stands twice",
        ),
        (
            "{id: a, dimension: money, price: {model: matrix, by: [a], default: 1, "
            "prices: [{match: {a: true}, unit_amount: 1}]}}",
            ".price.prices[0].match.a: expected text, not true",
        ),
        (
            f"{{id: a, dimension: money, included: 1, {MATRIX}}}",
            ".price: the charge a has included units, and a matrix does not say at which of its "
            "prices they are free",
        ),
        (
            f"{{id: a, dimension: money, where: {{region: us}}, {MATRIX}}}",
            ".price.prices[0].match.region: eu never holds: the charge bills usage where region "
            "is us",
        ),
        (
            "{id: a, dimension: peak, price: {model: capacity, tiers: "
            "[{limits: {peak: 5}, amount: 1}, {amount: 2}]}}",
            ": a capacity has its dimensions in limits: leave out the dimension",
        ),
        (
            "{id: a, group_by: [x], price: {model: capacity, tiers: "
            "[{limits: {peak: 5}, amount: 1}, {amount: 2}]}}",
            ": a capacity has one amount for all: leave out group_by",
        ),
        (
            "{id: a, price: {model: capacity, tiers: [{amount: 2}]}}",
            ".price.tiers: the first tier needs limits: limits: {users: 10}",
        ),
        (
            "{id: a, price: {model: capacity, tiers: [{limits: {peak: 5}, amount: 1}]}}",
            ".price.tiers: the last tier must hold everything: leave out its limits",
        ),
        (
            "{id: a, price: {model: capacity, tiers: [{limits: {peak: 5}, amount: 1}, "
            "{limits: {peak: 4}, amount: 2}, {amount: 2}]}}",
            ".price.tiers: limits must rise: tier [1] holds 4 of peak, and the one before it more",
        ),
        (
            "{id: a, price: {model: capacity, tiers: [{limits: {peak: 5}, amount: 1}, "
            "{limits: {peak: 9, users: 4}, amount: 2}, {amount: 2}]}}",
            ".price.tiers: limits must rise: tier [1] holds 4 of users, and the one before it more",
        ),
        (
            "{id: a, price: {model: capacity, tiers: [{limits: {peak: 5}, amount: 1}, "
            "{limits: {peak: 5}, amount: 2}, {amount: 2}]}}",
            ".price.tiers: limits must rise: tier [1] holds what the one before it does",
        ),
        (
            "{id: a, price: {model: capacity, tiers: [{limits: {paek: 5}, amount: 1}, "
            "{amount: 2}]}}",
            ".price.tiers[0].limits.paek: there is no dimension paek; did you mean peak?",
        ),
        (
            "{id: a, dimension: seats, price: {model: seat}}",
            ".price: needs a unit_amount or tiers, and not both",
        ),
        (
            "{id: a, dimension: seats, price: {model: seat, unit_amount: 1, "
            "tiers: [{unit_amount: 1}]}}",
            ".price: needs a unit_amount or tiers, and not both",
        ),
        (
            "{id: a, dimension: seats, price: {model: seat, unit_amount: 1, prorate: hour}}",
            '.price.prorate: expected day or none, not "hour"',
        ),
        (
            "{id: a, dimension: peak, price: {model: seat, unit_amount: 1}}",
            ".price: seats are what the latest record says, and the dimension peak has the "
            "aggregation max; expected latest",
        ),
        (
            "{id: a, dimension: desks, price: {model: seat, unit_amount: 1, timing: advance}}",
            ".price.timing: a period that is paid in advance begins with the seats that are left, "
            "and those of the dimension desks are not carried over: give it carry_over: true",
        ),
        (
            "{id: a, dimension: seats, bucket: {every: day, then: max}, "
            "price: {model: seat, unit_amount: 1}}",
            ".price: seats are counted by day already: leave out the bucket",
        ),
        (
            f"{{id: a, dimension: money, bucket: {{every: day, then: price}}, {PER_UNIT}}}",
            ".price: a price of the model per_unit has no tiers or packages that each bucket "
            "could run through: write then: sum",
        ),
        (
            "{id: a, dimension: money, included: 5, bucket: {every: day, then: price}, "
            f"{TIERS}}}",
            ".price: the charge a has units included in a period, and each of its buckets is "
            "priced for itself: leave out included, and write a first tier that costs nothing",
        ),
        (
            "{id: a, dimension: money, tiers_span: period, bucket: {every: day, then: price}, "
            f"{TIERS}}}",
            ".tiers_span: tiers run over a period where its parts add up",
        ),
        (
            f"{{id: a, dimension: money, where: {{}}, {PER_UNIT}}}",
            ".where: expected at least one key",
        ),
        (
            f"{{id: a, dimension: money, where: {{region: []}}, {PER_UNIT}}}",
            ".where.region: expected at least one value",
        ),
        (
            f"{{id: a, dimension: money, where: {{region: [eu, us, eu]}}, {PER_UNIT}}}",
            ".where.region: eu stands twice",
        ),
        (
            f"{{id: a, dimension: money, where: {{region: [eu, {{}}]}}, {PER_UNIT}}}",
            ".where.region[1]: expected text, not a mapping",
        ),
        (
            f"{{id: a, dimension: money, where: region, {PER_UNIT}}}",
            '.where: expected a mapping (key: value), not "region"',
        ),
        (
            f"{{id: a, dimension: money, group_by: [region, region], {PER_UNIT}}}",
            ".group_by: region stands twice",
        ),
        (
            f"{{id: a, dimension: money, minimum: 3, maximum: 2, {PER_UNIT}}}",
            ": the minimum 3 is more than the maximum 2",
        ),
        (
            f"{{id: a, dimension: money, bucket: {{every: week, then: sum}}, {PER_UNIT}}}",
            '.bucket.every: expected hour or day, not "week"',
        ),
        (
            f"{{id: a, dimension: users, bucket: {{every: day, then: sum}}, {PER_UNIT}}}",
            ".bucket: the dimension users has the aggregation count_distinct, which is not made "
            "of hours or days: leave out the bucket",
        ),
        (
            f"{{id: a, dimension: stored, bucket: {{every: day, then: sum}}, {PER_UNIT}}}",
            ".bucket: the dimension stored has the aggregation time_weighted",
        ),
        (
            f"{{id: a, dimension: money, tiers_span: period, {PER_UNIT}}}",
            ".tiers_span: a price of the model per_unit has no tiers: leave out tiers_span",
        ),
        (
            f"{{id: a, dimension: peak, tiers_span: period, {TIERS}}}",
            ".tiers_span: tiers run over a period where its parts add up",
        ),
        (
            "{id: a, dimension: money, bucket: {every: hour, then: max}, tiers_span: period, "
            f"{TIERS}}}",
            ".tiers_span: tiers run over a period where its parts add up",
        ),
        (
            "{id: a, where: {region: eu}, price: {model: flat, amount: 1}}",
            ": a flat price bills no usage: leave out where",
        ),
        (
            "{id: a, minimum: 1, price: {model: flat, amount: 1}}",
            ": a flat price bills no usage: leave out minimum",
        ),
    ],
)
def test_problems_of_charges(folder: Path, charge: str, message: str) -> None:
    problems = problems_of(folder, plan=plan_of(charge))
    assert len(problems) == 1, problems
    assert problems[0].startswith("catalog/plan.yml:5: plans[0].charges[0]")
    assert message in problems[0]


@pytest.mark.parametrize(
    ("price", "message"),
    [
        (
            "{model: matrix, by: [region], default: 1, prices: "
            "[{match: {region: ap}, unit_amount: 1}]}",
            ".prices[0].match.region: ap never holds: the charge bills usage where region is eu or "
            "us",
        ),
        (
            "{model: matrix, by: [region], default: 1, prices: []}",
            ": the charge a has included units, and a matrix does not say",
        ),
        (
            "{model: percentage, percent: 1, free_amount: 5}",
            ".free_amount: the charge a has included units",
        ),
    ],
)
def test_an_override_has_a_price_that_its_charge_may_have(
    folder: Path, price: str, message: str
) -> None:
    charge = f"{{id: a, dimension: money, where: {{region: [us, eu]}}, included: 5, {PER_UNIT}}}"
    contract = f"{{id: k, plan: p, start: 2026-01-01, overrides: [{{charge: a, price: {price}}}]}}"
    customers = f"customers:\n  - id: c\n    contracts:\n      - {contract}\n"
    problems = problems_of(folder, plan=plan_of(charge), customers=customers)
    place = "catalog/customers.yml:4: customers[0].contracts[0].overrides[0].price"
    assert [problem for problem in problems if problem.startswith(place + message)], problems


def test_a_capacity_is_overridden_by_a_capacity_of_the_same_dimensions(folder: Path) -> None:
    def capacity(*dimensions: str) -> str:
        limits = ", ".join(f"{dimension}: 5" for dimension in dimensions)
        return f"{{model: capacity, tiers: [{{limits: {{{limits}}}, amount: 1}}, {{amount: 2}}]}}"

    charges = (
        f"{{id: a, price: {capacity('peak', 'users')}}}",
        f"{{id: b, dimension: money, {PER_UNIT}}}",
    )
    overrides = [
        f"{{charge: a, price: {capacity('users', 'peak')}, to: 2026-02-01}}",
        f"{{charge: a, price: {capacity('peak')}, from: 2026-02-01, to: 2026-03-01}}",
        "{charge: a, price: {model: per_unit, unit_amount: 1}, from: 2026-03-01}",
        f"{{charge: b, price: {capacity('money')}}}",
    ]
    contract = f"{{id: k, plan: p, start: 2026-01-01, overrides: [{', '.join(overrides)}]}}"
    customers = f"customers:\n  - id: c\n    contracts:\n      - {contract}\n"
    place = "catalog/customers.yml:4: customers[0].contracts[0].overrides"
    expected = (
        "the charge a is a capacity of peak, users; expected a price of the model capacity that "
        "limits the same dimensions"
    )
    assert problems_of(folder, plan=plan_of(*charges), customers=customers) == [
        f"{place}[1].price: {expected}",
        f"{place}[2].price: {expected}",
        f"{place}[3].price: the charge b is no capacity",
    ]


def test_a_capacity_bills_the_dimensions_that_it_limits(folder: Path) -> None:
    tiers = "[{limits: {peak: 5, users: 2}, amount: 1}, {amount: 2}]"
    one = f"{{id: a, dimension: users, {PER_UNIT}}}"
    other = f"{{id: b, price: {{model: capacity, tiers: {tiers}}}}}"
    [problem] = problems_of(folder, plan=plan_of(one, other))
    assert "charges[1].price: the charge a of this plan prices users already" in problem


class TestSharedDimensions:
    """Charges of a plan on one dimension, which must not both bill a record."""

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ("", ""),
            ("where: {region: eu}, ", ""),
            ("where: {region: eu}, ", "where: {size: XL}, "),
            ("where: {region: [eu, us]}, ", "where: {region: [us, ap]}, "),
            ("where: {region: eu, size: XL}, ", "where: {region: eu, sku: a}, "),
        ],
    )
    def test_that_may_bill_the_same_usage_are_refused(
        self, folder: Path, first: str, second: str
    ) -> None:
        one = f"{{id: a, dimension: money, {first}{PER_UNIT}}}"
        other = f"{{id: b, dimension: money, {second}{PER_UNIT}}}"
        assert problems_of(folder, plan=plan_of(one, other)) == [
            "catalog/plan.yml:6: plans[0].charges[1].dimension: the charge a of this plan prices "
            "money already, in catalog/plan.yml:5; two charges may price one dimension only if "
            "their where exclude each other: a key that both have, and no value of it that both "
            "have"
        ]

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ("region: eu", "region: us"),
            ("region: [eu, us], size: XL", "region: [ap], size: XL"),
            ("region: eu, size: XL", "region: eu, size: L"),
        ],
    )
    def test_whose_filters_exclude_each_other_are_fine(
        self, folder: Path, first: str, second: str
    ) -> None:
        one = f"{{id: a, dimension: money, where: {{{first}}}, {PER_UNIT}}}"
        other = f"{{id: b, dimension: money, where: {{{second}}}, {PER_UNIT}}}"
        assert problems_of(folder, plan=plan_of(one, other)) == []


def test_one_value_is_as_good_as_a_list_of_it_in_any_order() -> None:
    price = {"model": "per_unit", "unit_amount": "1"}
    one = Charge.model_validate(
        {"id": "a", "dimension": "d", "where": {"r": "eu", "s": ["y", "x"]}, "price": price}
    )
    other = Charge.model_validate(
        {"id": "a", "dimension": "d", "where": {"s": ["x", "y"], "r": ["eu"]}, "price": price}
    )
    assert one == other
    plan = Plan(id="p", currency="USD", charges=(one,))
    assert Plan.model_validate(plan.model_dump(mode="json", exclude_defaults=True)) == plan


def test_contracts_that_run_together_bill_a_record_once(folder: Path) -> None:
    charges = {
        "p": f"{{id: a, dimension: money, where: {{region: eu}}, {PER_UNIT}}}",
        "q": f"{{id: a, dimension: money, where: {{region: us}}, {PER_UNIT}}}",
        "r": f"{{id: a, dimension: money, where: {{region: [us, ap]}}, {PER_UNIT}}}",
    }
    plans = "".join(
        plan_of(charge).replace("id: p", f"id: {plan}").removeprefix("plans:\n" if n else "")
        for n, (plan, charge) in enumerate(charges.items())
    )
    contracts = "customers:\n  - id: c\n    contracts:\n"
    contracts += "".join(f"      - {{id: {p}, plan: {p}, start: 2026-01-01}}\n" for p in charges)
    assert problems_of(folder, plan=plans, customers=contracts) == [
        "catalog/customers.yml:6: customers[0].contracts[2]: the contract r runs at the same time "
        "as q, and both price money; end one before the other starts"
    ]
