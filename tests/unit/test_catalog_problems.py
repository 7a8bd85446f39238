from pathlib import Path

import pytest

from models.catalog import load_catalog
from models.problems import ConfigurationError
from tests.unit.catalog_files import ALL, DIMENSIONS, PLANS, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "catalog").mkdir()
    return tmp_path / "catalog"


def problems_of(folder: Path, **files: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_catalog(write(folder, files))
    return [str(problem) for problem in caught.value.problems]


def with_plan(charges: str) -> str:
    return f"plans:\n  - id: p\n    currency: USD\n    charges:\n      - {charges}\n"


def with_contract(contract: str) -> str:
    return f"customers:\n  - id: c\n    contracts:\n      - {contract}\n"


def test_all_problems_of_all_files_are_told_at_once(folder: Path) -> None:
    assert problems_of(
        folder,
        a="dimensions:\n  - {id: d, aggregation: total}\n  - {id: e, aggregation: sum, unt: x}",
        b=with_plan("{id: a, dimension: x, price: {model: per_unit, unit_amount: 0.08}}"),
        c=with_contract("{id: k, plan: q, start: 2026-02-30}"),
        d="plans:\n  - {id: [\n",
        e="plan: []\n",
    ) == [
        "catalog/a.yml:2: dimensions[0].aggregation: expected sum, count, max, min, average, "
        'latest, count_distinct, time_weighted or percentile, not "total"',
        "catalog/a.yml:3: dimensions[1].unt: unt is not a known key; did you mean unit?",
        "catalog/b.yml:5: plans[0].charges[0].price.unit_amount: 0.08 is a YAML float, which "
        'is not exact; write "0.08" with quotes',
        "catalog/b.yml:5: plans[0].charges[0].dimension: there is no dimension x",
        "catalog/c.yml:4: customers[0].contracts[0].start: 2026-02-30 is not a day of the calendar",
        "catalog/c.yml:4: customers[0].contracts[0].plan: there is no plan q",
        "catalog/d.yml:3: is not valid YAML: while parsing a flow node, did not find expected "
        "node content",
        "catalog/e.yml:1: plan: plan is not a known key; did you mean plans?",
    ]


@pytest.mark.parametrize(
    ("charge", "message"),
    [
        ("{id: a, dimension: d}", "price: is missing"),
        (
            "{id: a, price: {model: per_unit, unit_amount: 1}}",
            "a price of the model per_unit needs a dimension",
        ),
        (
            "{id: a, dimension: d, price: {model: flat, amount: 1}}",
            "a flat price bills no usage: leave out the dimension",
        ),
        (
            "{id: a, included: 5, price: {model: flat, amount: 1}}",
            "a flat price bills no usage: leave out included",
        ),
        (
            "{id: a, dimension: d, price: {model: stairs, tiers: []}}",
            "price.model: expected per_unit, package, graduated, volume, stairstep, percentage, "
            'graduated_percentage, dynamic, credits, matrix, seat, capacity or flat, not "stairs"; '
            "did you mean stairstep?",
        ),
        (
            "{id: a, dimension: d, price: {unit_amount: 1}}",
            "price: the key model is missing",
        ),
        (
            "{id: a, dimension: d, price: 5}",
            "price: expected a mapping (key: value), not 5",
        ),
        (
            "{id: a, dimension: d, price: {model: package, package_size: 0, package_amount: 1}}",
            "price.package_size: must be more than 0",
        ),
        (
            "{id: a, dimension: d, price: {model: per_unit, unit_amount: true}}",
            'price.unit_amount: expected a number as text, such as "0.08", not true',
        ),
        (
            '{id: a, dimension: d, price: {model: per_unit, unit_amount: "-1"}}',
            'price.unit_amount: "-1" is negative, and must not be',
        ),
        (
            '{id: a, dimension: d, price: {model: per_unit, unit_amount: "1e3"}}',
            'price.unit_amount: "1e3" is not a number; write plain digits, such as "1234.50"',
        ),
        (
            '{id: a, dimension: d, price: {model: per_unit, unit_amount: "0.0000000000001"}}',
            'price.unit_amount: "0.0000000000001" is too long: at most 26 digits before the '
            "point and 12 after it",
        ),
        (
            "{id: a, dimension: d, price: {model: graduated, tiers: []}}",
            "price.tiers: needs at least one tier",
        ),
        (
            "{id: a, dimension: d, price: {model: volume, tiers: [{up_to: 5, unit_amount: 1}]}}",
            "price.tiers: the last tier must be open: write up_to: null",
        ),
        (
            "{id: a, dimension: d, price: {model: graduated, tiers: "
            "[{up_to: 5, unit_amount: 1}, {up_to: 5, unit_amount: 1}, {flat_amount: 1}]}}",
            "price.tiers: tiers must rise: tier [1] ends at 5, and the one before it at 5",
        ),
        (
            "{id: a, dimension: d, price: {model: graduated, tiers: "
            "[{up_to: null, unit_amount: 1}, {up_to: null, unit_amount: 1}]}}",
            "price.tiers: only the last tier may be open, and tier [0] is too",
        ),
        (
            "{id: a, dimension: d, price: {model: graduated, tiers: [{up_to: null}]}}",
            'price.tiers[0]: needs a unit_amount or a flat_amount; write "0" where it is free',
        ),
        ("{id: 'a/b', dimension: d, price: {model: per_unit, unit_amount: 1}}", "is not an id"),
        (
            "{id: a, dimension: d, wher: {x: y}, price: {model: per_unit, unit_amount: 1}}",
            "wher is not a known key; did you mean where?",
        ),
    ],
)
def test_problems_of_charges(folder: Path, charge: str, message: str) -> None:
    problems = problems_of(folder, a="dimensions: [{id: d, aggregation: sum}]", b=with_plan(charge))
    assert len(problems) == 1
    assert problems[0].startswith("catalog/b.yml:5: plans[0].charges[0]")
    assert message in problems[0]


@pytest.mark.parametrize(
    ("contract", "message"),
    [
        ("{id: k, plan: pay, start: 2026-01-01}", "plan: there is no plan pay; did you mean"),
        ("{id: k, plan: tokyo, start: 2026-01-02, end: 2026-01-02}", "is not after it starts"),
        ("{id: k, plan: tokyo, start: 20260101}", "20260101 is not a day; write it as"),
        ("{id: k, plan: tokyo, start: 2026-01-01 10:00:00}", "is not a day; write it as"),
        ("{id: k, plan: tokyo, start: 2026-01-01, anchor_day: 32}", "must be at most 31"),
        ("{id: k, plan: tokyo, start: 2026-01-01, anchor_day: 0}", "must be at least 1"),
        ("{id: k, plan: tokyo, start: 2026-01-01, trial_days: x}", "expected a whole number"),
        (
            '{id: k, plan: tokyo, start: 2026-01-01, minimum: {amount: "0.5"}}',
            "minimum.amount: 0.5 has more decimals than JPY, which has 0",
        ),
        (
            "{id: k, plan: payg, start: 2026-01-01, credits: [{id: x, amount: '0.001'}]}",
            "credits[0].amount: 0.001 has more decimals than USD, which has 2",
        ),
        (
            "{id: k, plan: payg, start: 2026-01-01, credits: [{id: x, amount: 1}, "
            "{id: x, amount: 1}]}",
            "credits[1].id: the id x is already taken among the credits and wallets of k",
        ),
        (
            "{id: k, plan: payg, start: 2026-01-01, "
            "credits: [{id: x, amount: 1, from: 2026-02-01, expires: 2026-02-01}]}",
            "credits[0]: expires on 2026-02-01, which is not after it begins",
        ),
        (
            "{id: k, plan: payg, start: 2026-01-01, discounts: [{percent: '101'}]}",
            'discounts[0].percent: "101" is not a percentage from 0 to 100',
        ),
        (
            "{id: k, plan: payg, start: 2026-01-01, discounts: [{percent: 5, charges: [dat]}]}",
            "discounts[0].charges[0]: there is no charge in the plan payg called dat; "
            "did you mean data?",
        ),
        (
            "{id: k, plan: payg, start: 2026-01-01, "
            "discounts: [{percent: 5, from: 2026-03-01, to: 2026-02-01}]}",
            "discounts[0]: ends on 2026-02-01, which is not after it begins on 2026-03-01",
        ),
        (
            "{id: k, plan: payg, start: 2026-02-01, discounts: [{percent: 5, to: 2026-02-01}]}",
            "discounts[0].to: ends on 2026-02-01, when the contract has not begun",
        ),
        (
            "{id: k, plan: payg, start: 2026-02-01, end: 2026-03-01, overrides: "
            "[{charge: data, from: 2026-03-01, price: {model: per_unit, unit_amount: 1}}]}",
            "overrides[0].from: begins on 2026-03-01, when the contract has ended",
        ),
        (
            "{id: k, plan: payg, start: 2026-02-01, overrides: "
            "[{charge: platform, price: {model: per_unit, unit_amount: 1}}]}",
            "overrides[0].price: the charge platform is a fee, and needs a flat price",
        ),
        (
            "{id: k, plan: payg, start: 2026-02-01, overrides: "
            "[{charge: data, price: {model: flat, amount: 1}}]}",
            "overrides[0].price: the charge data bills usage, not a flat fee",
        ),
        (
            "{id: k, plan: payg, start: 2026-02-01, overrides: "
            "[{charge: data, to: 2026-04-01, price: {model: per_unit, unit_amount: 1}},"
            " {charge: data, from: 2026-03-31, price: {model: per_unit, unit_amount: 1}}]}",
            "overrides[1]: two overrides of the charge data hold on the same day; "
            "the other one is in catalog/b.yml:4",
        ),
    ],
)
def test_problems_of_contracts(folder: Path, contract: str, message: str) -> None:
    problems = problems_of(folder, a=DIMENSIONS + PLANS, b=with_contract(contract))
    assert len(problems) == 1
    assert problems[0].startswith("catalog/b.yml:4: customers[0].contracts[0]")
    assert message in problems[0]


def test_overrides_that_follow_each_other_are_fine(folder: Path) -> None:
    contract = (
        "{id: k, plan: payg, start: 2026-02-01, overrides: "
        "[{charge: data, to: 2026-04-01, price: {model: per_unit, unit_amount: 1}},"
        " {charge: data, from: 2026-04-01, price: {model: per_unit, unit_amount: 1}}]}"
    )
    files = {"a": DIMENSIONS + PLANS, "b": with_contract(contract)}
    assert len(load_catalog(write(folder, files)).customers[0].contracts[0].overrides) == 2


@pytest.mark.parametrize(
    ("dimension", "message"),
    [
        ("{id: d, aggregation: count_distinct}", "count_distinct needs distinct_on"),
        ("{id: d, aggregation: sum, distinct_on: x}", "distinct_on belongs to"),
        (
            "{id: d, aggregation: sum, carry_over: true}",
            "carry_over belongs to the aggregations latest and time_weighted only",
        ),
        (
            "{id: d, aggregation: max, deltas: true, carry_over: true}",
            "deltas belongs to the aggregation",
        ),
        ("{id: d, aggregation: time_weighted, deltas: true}", "deltas need carry_over: true"),
        ("{id: d, aggregation: max, percentile: 95}", "percentile belongs to"),
        ("{id: d, aggregation: latest, carry_over: maybe}", "expected true or false"),
        ('{id: d, aggregation: sum, convert: {divide: "0.0"}}', "must be more than 0"),
        ("{id: d, aggregation: sum, rounding: {decimals: 10}}", "must be at most 9"),
        ("{aggregation: sum}", "id: is missing"),
        ("{id: '', aggregation: sum}", "id: is empty"),
        ("{id: d, id: e, aggregation: sum}", "id is already written in line 1"),
        ("d", "expected a mapping"),
    ],
)
def test_problems_of_dimensions(folder: Path, dimension: str, message: str) -> None:
    problems = problems_of(folder, a=f"dimensions: [{dimension}]")
    assert len(problems) == 1
    assert problems[0].startswith("catalog/a.yml:1: dimensions[0]")
    assert message in problems[0]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{id: r, method: direct}", "the method direct needs tenant_tag"),
        ("{id: r, method: proportional}", "the method proportional needs dimension"),
        ("{id: r, method: fixed}", "the method fixed needs weights"),
        ("{id: r, method: fixed, weights: {second: '0'}}", "at least one must be more than 0"),
        ("{id: r, method: fixed, weights: {nobody: 1}}", "there is no tenant nobody"),
        ("{id: r, method: fixed, weights: {second: 0.5}}", "is a YAML float"),
        ("{id: r, method: even, tenant_tag: x}", "tenant_tag belongs to the method direct"),
        ("{id: r, method: even, match: {tag: {a: x, b: y}}}", "expected one key"),
        ("{id: r, method: even, match: {category: usage}}", "did you mean Usage?"),
        ("{id: r, method: proportional, dimension: dat}", "did you mean data?"),
    ],
)
def test_problems_of_cost_rules(folder: Path, rule: str, message: str) -> None:
    files = {**ALL, "rules": f"cost_rules: [{rule}]"}
    problems = problems_of(folder, **files)
    assert len(problems) == 1
    assert problems[0].startswith("catalog/rules.yml:1: cost_rules[0]")
    assert message in problems[0]


def test_ids_are_taken_once(folder: Path) -> None:
    problems = problems_of(
        folder,
        a=DIMENSIONS + PLANS,
        b="dimensions: [{id: data, aggregation: sum}]",
        c=with_contract("{id: k, plan: tokyo, start: 2026-01-01, end: 2026-02-01}")
        + "      - {id: k, plan: tokyo, start: 2026-02-01}\n  - {id: c}\n",
    )
    assert problems == [
        "catalog/b.yml:1: dimensions[0].id: the id data is already taken among dimensions, "
        "in catalog/a.yml:2",
        "catalog/c.yml:5: customers[0].contracts[1].id: the id k is already taken among "
        "contracts, in catalog/c.yml:4",
        "catalog/c.yml:6: customers[1].id: the id c is already taken among customers, "
        "in catalog/c.yml:2",
    ]


def test_a_tenant_belongs_to_one_customer(folder: Path) -> None:
    text = "customers:\n  - {id: a, tenants: [b, x]}\n  - {id: b}\n  - {id: c, tenants: [x]}\n"
    assert problems_of(folder, a=text) == [
        "catalog/a.yml:3: customers[1].id: the tenant b belongs to the customer a already, "
        "in catalog/a.yml:2",
        "catalog/a.yml:4: customers[2].tenants: the tenant x belongs to the customer a "
        "already, in catalog/a.yml:2",
    ]


def test_a_customer_is_billed_in_one_currency(folder: Path) -> None:
    text = """\
    customers:
      - {id: a, currency: EUR, contracts: [{id: k, plan: payg, start: 2026-01-01}]}
      - id: b
        contracts:
          - {id: l, plan: payg, start: 2026-01-01, end: 2026-02-01}
          - {id: m, plan: tokyo, start: 2026-02-01}
    """
    assert problems_of(folder, a=DIMENSIONS + PLANS, b=text) == [
        "catalog/b.yml:2: customers[0].contracts[0].plan: the plan payg is in USD, and the "
        "customer's currency is EUR; a customer is billed in one currency",
        "catalog/b.yml:6: customers[1].contracts[1].plan: the plan tokyo is in JPY, and the "
        "currency of the plan payg is USD; a customer is billed in one currency",
    ]


def test_usage_is_not_billed_by_two_contracts_at_once(folder: Path) -> None:
    text = with_contract("{id: k, plan: payg, start: 2026-01-01, end: 2026-03-01}")
    text += "      - {id: l, plan: payg, start: 2026-02-28}\n"
    assert problems_of(folder, a=DIMENSIONS + PLANS, b=text) == [
        "catalog/b.yml:5: customers[0].contracts[1]: the contract l runs at the same time as "
        "k, and both price calls, data; end one before the other starts"
    ]
    write(folder, {"b": text.replace("2026-02-28", "2026-03-01")})
    assert len(load_catalog(folder).customers[0].contracts) == 2


def test_what_a_broken_file_may_define_is_not_called_unknown(folder: Path) -> None:
    problems = problems_of(
        folder,
        a="plans: [{id: basic\n",
        b=with_contract("{id: k, plan: basic, start: 2026-01-01}"),
    )
    assert len(problems) == 1
    assert problems[0].startswith("catalog/a.yml:2: is not valid YAML")


def test_an_entry_that_is_wrong_may_still_be_referred_to(folder: Path) -> None:
    problems = problems_of(
        folder,
        a="plans:\n  - {id: basic, currency: X, charges: []}\n",
        b=with_contract("{id: k, plan: basic, start: 2026-01-01}"),
    )
    assert len(problems) == 1
    assert "currency" in problems[0]


def test_variables_belong_into_the_settings(folder: Path) -> None:
    [problem] = problems_of(folder, a="customers: [{id: a, email: ${EMAIL}}]")
    assert "variables are read in meterhouse.yml only" in problem


@pytest.mark.parametrize("text", ["customers: a", "customers: {id: a}"])
def test_a_kind_holds_a_list(folder: Path, text: str) -> None:
    assert problems_of(folder, a=text) == [
        "catalog/a.yml:1: customers: expected a list: begin each entry with a dash"
    ]


def test_a_folder_without_files_says_so(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there are no \.yml files"):
        load_catalog(folder)
    with pytest.raises(ConfigurationError, match="there is no folder"):
        load_catalog(folder / "absent")
