from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.catalog import Catalog, load_catalog
from models.catalog_rows import catalog_rows
from models.contract_rows import contract_rows
from models.contracts import Contract, Customer
from models.dimensions import Dimension
from models.price_models import GraduatedPrice, PercentagePrice, SeatPrice, Tier
from models.price_rows import price_rows
from models.prices import Charge, Plan
from models.tables import catalog as tables

OPTIONS = (
    "usage_filter",
    "group_by",
    "bucket_every",
    "bucket_then",
    "minimum_amount",
    "maximum_amount",
    "tiers_span",
)
TEXT = """\
dimensions:
  - {id: data, name: Data processed, unit: gigabyte, aggregation: sum,
     convert: {divide: "1000000000"}, rounding: {decimals: 3, mode: up}}
  - {id: calls, aggregation: count}
plans:
  - id: payg
    name: Pay-as-you-go
    currency: USD
    interval: quarter
    charges:
      - {id: data, dimension: data, price: {model: per_unit, unit_amount: "0.08"}}
      - {id: calls, name: API calls, dimension: calls, included: 10000,
         price: {model: package, package_size: 1000, package_amount: "0.01", rounding: half_up}}
      - {id: platform, price: {model: flat, amount: "500", timing: once, prorate: false}}
  - id: rates
    currency: USD
    charges:
      - id: eu
        dimension: data
        where: {region: [uk, eu]}
        group_by: [sku, region]
        bucket: {every: hour, then: max}
        minimum: "1.5"
        maximum: 2
        price: {model: matrix, by: [size], default: 3, prices: [{match: {size: 1}, unit_amount: 2}]}
      - id: us
        dimension: data
        where: {region: us}
        tiers_span: period
        price: {model: stairstep, tiers: [{up_to: 5, flat_amount: 1}, {flat_amount: 2}]}
      - id: paid
        dimension: calls
        price: {model: credits, credit_amount: 3, default: 1,
                rates: [{match: {size: XL, region: eu}, credits: 16}]}
  - id: sizes
    currency: USD
    charges:
      - id: size
        where: {region: eu}
        minimum: 5
        price: {model: capacity, tiers: [{limits: {data: 10, calls: 100}, amount: 1},
                                         {limits: {data: 20}, amount: 2}, {amount: 3}]}
taxes:
  - {id: vat, percent: "19.5", except_charges: [size]}
customers:
  - id: dumm
    name: Dumm AI Corp
    tenants: [a, b]
    stripe_customer: cus_1
    country: DE
    tax: vat
    contracts:
      - id: k
        plan: payg
        start: 2026-01-15
        end: 2027-01-15
        trial_days: 14
        overrides:
          - charge: data
            from: 2026-03-01
            price: {model: volume, tiers: [{up_to: 100, unit_amount: "0.05", flat_amount: 2},
                                           {up_to: null, unit_amount: "0.04"}]}
          - {charge: calls, to: 2026-03-01, price: {model: per_unit, unit_amount: 1}}
          - charge: calls
            from: 2026-04-01
            price: {model: credits, credit_amount: 2, default: 1,
                    rates: [{match: {zone: a}, credits: 2}]}
        discounts: [{percent: 10}, {percent: 5, charges: [data], from: 2026-02-01, to: 2026-03-01}]
        minimum: {amount: "99.90"}
        commitments: [{amount: 1000, to: 2026-07-15}, {amount: 9, from: 2026-07-15}]
        credits: [{id: c1, amount: 100, priority: 2, paid: true, expires: 2026-12-01,
                   applies_to: [calls]}]
        wallets: [{id: w1, top_ups: [{date: 2026-02-01, amount: 50}]}]
    invoices: [{id: setup, date: 2026-01-15, lines: [{description: Setup, amount: 5, tax: vat}]}]
  - {id: reverse, tax: vat, tax_exempt: reverse}
cost_rules:
  - {id: z, match: {source: aws, category: Usage, tag: {team: null}}, method: direct, tenant_tag: t}
  - {id: a, method: fixed, weights: {b: 2, a: 1}, cost: fixed}
"""

CUT = """\
plans:
  - {id: fees, currency: USD, charges: [{id: fee, price: {model: flat, amount: 1}}]}
customers:
  - {id: cut, contracts: [{id: cut, plan: fees, start: 2026-01-01, interim_invoices: [2026-01-20]}]}
"""
TRIED = """\
customers:
  - id: tried
    contracts:
      - {id: tried, plan: payg, start: 2026-01-01,
         trial_allowance: {units: [{charge: calls, quantity: 9}]}}
"""


@pytest.fixture
def rows(tmp_path: Path) -> dict[str, list[dict[str, Any]]]:
    (tmp_path / "all.yml").write_text(TEXT)
    catalog = load_catalog(tmp_path, default_timezone="Europe/Berlin")
    return rows_of(catalog)


def rows_of(catalog: Catalog) -> dict[str, list[dict[str, Any]]]:
    named = {table.name: found for table, found in catalog_rows(catalog)}
    for found in named.values():
        for row in found:
            assert row.pop("catalog_version") == catalog.version
    return named


def test_there_are_rows_for_every_table_but_the_versions(tmp_path: Path) -> None:
    # Instalments do not stand beside a minimum, and interim invoices not beside most of the rest.
    text = TEXT.replace('        minimum: {amount: "99.90"}\n', "").replace(
        "from: 2026-07-15}]", "from: 2026-07-15, instalments: 2}]"
    )
    (tmp_path / "all.yml").write_text(text)
    (tmp_path / "cut.yml").write_text(CUT)
    (tmp_path / "tried.yml").write_text(TRIED)
    found = catalog_rows(load_catalog(tmp_path))
    names = {table.name for table in tables.metadata.tables.values()}
    names -= {"versions", "acceptances"}
    assert {table.name for table, _ in found} == names
    for table, table_rows in found:
        assert table_rows
        for row in table_rows:
            assert set(row) == set(table.columns.keys())
            for column in table.columns:
                assert column.nullable or row[column.name] is not None, column
        keys = [tuple(row[key.name] for key in table.primary_key) for row in table_rows]
        assert len(set(keys)) == len(keys)


def test_a_dimension_has_its_defaults_filled_in(rows: dict[str, list[dict[str, Any]]]) -> None:
    calls, data = rows["dimensions"]
    assert calls == {
        "dimension_id": "calls",
        "name": "calls",
        "unit": "unit",
        "aggregation": "count",
        "distinct_on": None,
        "convert_multiply": Decimal(1),
        "convert_divide": Decimal(1),
        "rounding_decimals": 9,
        "rounding_mode": "half_up",
        "carry_over": False,
        "has_deltas": False,
        "percentile": None,
    }
    assert data["convert_divide"] == Decimal(1_000_000_000)
    assert (data["rounding_decimals"], data["rounding_mode"]) == (3, "up")


def test_charges_are_numbered_and_named(rows: dict[str, list[dict[str, Any]]]) -> None:
    named = [(row["position"], row["name"], row["price_id"]) for row in rows["charges"][:3]]
    assert named == [
        (1, "Data processed", "plan/payg/data"),
        (2, "API calls", "plan/payg/calls"),
        (3, "platform", "plan/payg/platform"),
    ]
    assert rows["charges"][1]["included_quantity"] == 10000
    assert rows["plans"][0] == {
        "plan_id": "payg",
        "name": "Pay-as-you-go",
        "currency": "USD",
        "minor_units": 2,
        "interval": "quarter",
    }


def test_every_usage_price_has_tiers_and_a_fee_has_none(
    rows: dict[str, list[dict[str, Any]]],
) -> None:
    tiers = {}
    for row in rows["price_tiers"]:
        bounds = (row["from_quantity"], row["up_to"])
        amounts = (row["unit_amount"], row["flat_amount"])
        tiers[row["price_id"], row["tier_number"]] = (*bounds, *amounts)
    assert tiers == {
        ("plan/sizes/size", 1): (0, 1, 0, 1),
        ("plan/sizes/size", 2): (1, 2, 0, 2),
        ("plan/sizes/size", 3): (2, None, 0, 3),
        ("plan/rates/us", 1): (0, 5, 0, 1),
        ("plan/rates/us", 2): (5, None, 0, 2),
        ("plan/rates/paid", 1): (0, None, 3, 0),
        ("plan/payg/data", 1): (0, None, Decimal("0.08"), 0),
        ("plan/payg/calls", 1): (0, None, Decimal("0.01"), 0),
        ("contract/k/data/2026-03-01", 1): (0, 100, Decimal("0.05"), 2),
        ("contract/k/data/2026-03-01", 2): (100, None, Decimal("0.04"), 0),
        ("contract/k/calls/2026-01-15", 1): (0, None, 1, 0),
        ("contract/k/calls/2026-04-01", 1): (0, None, 2, 0),
    }
    prices = {row["price_id"]: row for row in rows["prices"]}
    assert prices["plan/payg/calls"]["package_size"] == 1000
    assert prices["plan/payg/calls"]["package_rounding"] == "half_up"
    assert prices["plan/payg/platform"] == {
        "price_id": "plan/payg/platform",
        "model": "flat",
        "package_size": None,
        "package_rounding": None,
        "flat_amount": Decimal(500),
        "timing": "once",
        "is_prorated": False,
        "has_removal_credit": None,
        "fixed_amount": None,
        "free_records": None,
        "free_amount": None,
        "record_minimum": None,
        "record_maximum": None,
    }


def test_a_charge_says_which_usage_it_bills_and_how(
    rows: dict[str, list[dict[str, Any]]],
) -> None:
    data, eu, us = (rows["charges"][number] for number in (0, 3, 4))
    assert [data[key] for key in OPTIONS] == [None, None, None, None, None, None, "part"]
    assert eu["usage_filter"] == {"region": ["eu", "uk"]}
    assert eu["group_by"] == ["sku", "region"]
    assert (eu["bucket_every"], eu["bucket_then"]) == ("hour", "max")
    assert (eu["minimum_amount"], eu["maximum_amount"]) == (Decimal("1.5"), 2)
    assert us["tiers_span"] == "period"


def test_rates_keep_their_order_and_end_with_the_default(
    rows: dict[str, list[dict[str, Any]]],
) -> None:
    found = [tuple(row.values()) for row in rows["price_rates"] if "plan" in row["price_id"]]
    assert found == [
        ("plan/rates/eu", 1, {"size": "1"}, 2),
        ("plan/rates/eu", 2, {}, 3),
        ("plan/rates/paid", 1, {"region": "eu", "size": "XL"}, 16),
        ("plan/rates/paid", 2, {}, 1),
    ]


def test_the_keys_of_a_dimension_are_those_of_all_charges_and_overrides(
    rows: dict[str, list[dict[str, Any]]],
) -> None:
    found = [(row["dimension_id"], row["metadata_key"]) for row in rows["dimension_keys"]]
    assert found == [
        ("calls", "region"),
        ("calls", "size"),
        ("calls", "zone"),
        ("data", "region"),
        ("data", "size"),
        ("data", "sku"),
    ]


@pytest.mark.parametrize(
    ("price", "tiers"),
    [
        ({"model": "percentage", "percent": "2.9"}, [(0, None, "0.029", 0)]),
        ({"model": "dynamic"}, [(0, None, 1, 0)]),
        ({"model": "dynamic", "multiplier": "1.2"}, [(0, None, "1.2", 0)]),
        (
            {
                "model": "graduated_percentage",
                "tiers": [{"up_to": "10.5", "percent": "0.000001"}, {"flat_amount": 2}],
            },
            [(0, "10.5", "0.00000001", 0), ("10.5", None, 0, 2)],
        ),
    ],
)
def test_percentages_are_tiers_of_fractions(price: Any, tiers: list[tuple[Any, ...]]) -> None:
    charge = Charge(id="c", dimension="d", price=price)
    found = [
        (row["from_quantity"], row["up_to"], row["unit_amount"], row["flat_amount"])
        for table, row in price_rows("p", charge.price)
        if table is tables.price_tiers
    ]
    assert found == [tuple(None if x is None else Decimal(x) for x in tier) for tier in tiers]


def test_a_capacity_is_measured_by_a_charge_for_each_dimension(
    rows: dict[str, list[dict[str, Any]]],
) -> None:
    found = [row for row in rows["charges"] if row["charge_id"].startswith("size")]
    named = [(row["charge_id"], row["dimension_id"], row["price_id"]) for row in found]
    assert named == [
        ("size", "data", "plan/sizes/size"),
        ("size/calls", "calls", "plan/sizes/size/calls"),
    ]
    assert [row["usage_filter"] for row in found] == [{"region": ["eu"]}, {"region": ["eu"]}]
    assert [row["minimum_amount"] for row in found] == [5, None]
    models = {row["price_id"]: row["model"] for row in rows["prices"]}
    assert models["plan/sizes/size/calls"] == "meter"
    limits = [tuple(row.values()) for row in rows["price_limits"] if "plan" in row["price_id"]]
    assert limits == [
        ("plan/sizes/size", 1, "data", 10),
        ("plan/sizes/size", 1, "calls", 100),
        ("plan/sizes/size", 2, "data", 20),
    ]


def test_what_is_measured_for_a_capacity_is_split_where_its_price_changes() -> None:
    tiers = [{"limits": {"data": 10, "calls": 100}, "amount": 1}, {"amount": 3}]
    price = {"model": "capacity", "tiers": tiers}
    plan = Plan(id="p", currency="USD", charges=({"id": "size", "price": price},))
    override = {"charge": "size", "price": price, "from": date(2026, 2, 1)}
    contract = Contract(id="s", plan="p", start=date(2026, 1, 1), overrides=(override,))
    found = [
        (row["charge_id"], row["valid_from"], row["price_id"])
        for table, row in contract_rows(Customer(id="x"), contract, plan)
        if table is tables.contract_overrides
    ]
    assert found == [
        ("size", date(2026, 2, 1), "contract/s/size/2026-02-01"),
        ("size/calls", date(2026, 2, 1), "plan/p/size/calls"),
    ]


@pytest.mark.parametrize(
    ("options", "columns"),
    [
        ({}, ("arrears", True, False)),
        ({"prorate": "none", "on_removal": "credit"}, ("arrears", False, True)),
    ],
)
def test_seats_say_what_becomes_of_changes(
    options: dict[str, str], columns: tuple[str, bool, bool]
) -> None:
    (_, row), (_, tier) = price_rows("p", SeatPrice(model="seat", unit_amount=20, **options))
    assert (row["timing"], row["is_prorated"], row["has_removal_credit"]) == columns
    assert (tier["unit_amount"], tier["up_to"]) == (20, None)


def test_a_percentage_price_says_what_a_record_costs() -> None:
    price = PercentagePrice(
        model="percentage", percent=1, fixed_amount=2, free_records=3, free_amount=4, max_amount=5
    )
    table, row = next(price_rows("p", price))
    assert table is tables.prices
    assert [row[key] for key in ("fixed_amount", "free_records", "free_amount")] == [2, 3, 4]
    assert (row["record_minimum"], row["record_maximum"]) == (None, 5)


def test_a_contract_knows_its_anchor_trial_and_minimum(
    rows: dict[str, list[dict[str, Any]]],
) -> None:
    assert rows["contracts"] == [
        {
            "contract_id": "k",
            "customer_id": "dumm",
            "plan_id": "payg",
            "start_date": date(2026, 1, 15),
            "end_date": date(2027, 1, 15),
            "anchor_day": 15,
            "billing_start_date": date(2026, 1, 29),
            "minimum_amount": Decimal("99.90"),
            "has_opening_invoice": False,
        }
    ]
    assert rows["contract_overrides"][1] == {
        "contract_id": "k",
        "charge_id": "calls",
        "valid_from": date(2026, 1, 15),
        "valid_to": date(2026, 3, 1),
        "price_id": "contract/k/calls/2026-01-15",
    }
    assert rows["credit_grants"] == [
        {
            "contract_id": "k",
            "credit_id": "c1",
            "amount": Decimal(100),
            "valid_from": date(2026, 1, 15),
            "expires_on": date(2026, 12, 1),
            "every_periods": None,
            "rollover_amount": Decimal(0),
            "rollover_periods": 0,
            "priority": 2,
            "is_paid": True,
            "is_limited": True,
        }
    ]
    assert rows["credit_charges"] == [{"contract_id": "k", "credit_id": "c1", "charge_id": "calls"}]


def test_a_discount_without_charges_is_one_of_every_charge(
    rows: dict[str, list[dict[str, Any]]],
) -> None:
    found = [
        (row["discount_number"], row["charge_id"], row["percent"], row["valid_from"])
        for row in rows["contract_discounts"]
    ]
    start = date(2026, 1, 15)
    assert found == [
        (1, "data", 10, start),
        (1, "calls", 10, start),
        (1, "platform", 10, start),
        (2, "data", 5, date(2026, 2, 1)),
    ]


def test_customers_have_what_the_file_or_the_settings_say(
    rows: dict[str, list[dict[str, Any]]],
) -> None:
    dumm, reverse = rows["customers"]
    assert (dumm["tax_exempt"], reverse["tax_exempt"]) == ("none", "reverse")
    assert (dumm["currency"], dumm["timezone"]) == ("USD", "Europe/Berlin")
    owners = [(row["tenant_id"], row["customer_id"]) for row in rows["tenants"]]
    assert owners == [("a", "dumm"), ("b", "dumm"), ("reverse", "reverse")]


def test_cost_rules_keep_their_order(rows: dict[str, list[dict[str, Any]]]) -> None:
    first, second = rows["cost_rules"]
    assert (first["rule_id"], first["position"]) == ("z", 1)
    assert (first["tag_key"], first["tag_value"]) == ("team", None)
    assert (second["rule_id"], second["cost_kind"]) == ("a", "fixed")
    weights = [(row["tenant_id"], row["weight"]) for row in rows["cost_rule_weights"]]
    assert weights == [("a", 1), ("b", 2)]


def catalog_with(tiers: list[Tier], start: date, trial_days: int) -> Catalog:
    charge = Charge(id="c", dimension="d", price=GraduatedPrice(model="graduated", tiers=tiers))
    contract = Contract(id="k", plan="p", start=start, trial_days=trial_days)
    return Catalog(
        dimensions=(Dimension(id="d", aggregation="sum"),),
        plans=(Plan(id="p", currency="USD", charges=(charge,)),),
        customers=(Customer(id="x", currency="USD", timezone="UTC", contracts=(contract,)),),
    )


@given(
    st.sets(st.decimals("0.000000001", "1e20", places=9), max_size=8),
    st.dates(date(2000, 1, 1), date(2100, 1, 1)),
    st.integers(0, 400),
)
def test_tiers_leave_no_gap_and_days_follow_the_trial(
    bounds: set[Decimal], start: date, trial_days: int
) -> None:
    tiers = [Tier(up_to=bound, unit_amount=Decimal(1)) for bound in sorted(bounds)]
    rows = rows_of(catalog_with([*tiers, Tier(unit_amount=Decimal(1))], start, trial_days))
    found = rows["price_tiers"]
    assert [row["tier_number"] for row in found] == list(range(1, len(bounds) + 2))
    assert found[0]["from_quantity"] == 0
    assert found[-1]["up_to"] is None
    for one, following in pairwise(found):
        assert one["from_quantity"] < one["up_to"] == following["from_quantity"]
    [contract] = rows["contracts"]
    assert (contract["billing_start_date"] - start).days == trial_days
    assert contract["anchor_day"] == start.day
