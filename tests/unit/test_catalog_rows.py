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
from models.contracts import Contract, Customer
from models.dimensions import Dimension
from models.prices import Charge, GraduatedPrice, Plan, Tier
from models.tables import catalog as tables

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
taxes: [{id: vat, percent: "19.5"}]
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
        discounts: [{percent: 10}, {percent: 5, charges: [data], from: 2026-02-01, to: 2026-03-01}]
        minimum: {amount: "99.90"}
        credits: [{id: c1, amount: 100, priority: 2, paid: true, expires: 2026-12-01}]
  - {id: reverse, tax: vat, tax_exempt: reverse}
cost_rules:
  - {id: z, match: {source: aws, category: Usage, tag: {team: null}}, method: direct, tenant_tag: t}
  - {id: a, method: fixed, weights: {b: 2, a: 1}, cost: fixed}
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
    (tmp_path / "all.yml").write_text(TEXT)
    found = catalog_rows(load_catalog(tmp_path))
    names = {table.name for table in tables.metadata.tables.values()} - {"versions"}
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
    }
    assert data["convert_divide"] == Decimal(1_000_000_000)
    assert (data["rounding_decimals"], data["rounding_mode"]) == (3, "up")


def test_charges_are_numbered_and_named(rows: dict[str, list[dict[str, Any]]]) -> None:
    named = [(row["position"], row["name"], row["price_id"]) for row in rows["charges"]]
    assert named == [
        (1, "Data processed", "plan/payg/data"),
        (2, "API calls", "plan/payg/calls"),
        (3, "platform", "plan/payg/platform"),
    ]
    assert rows["charges"][1]["included_quantity"] == 10000
    assert rows["plans"] == [
        {
            "plan_id": "payg",
            "name": "Pay-as-you-go",
            "currency": "USD",
            "minor_units": 2,
            "interval": "quarter",
        }
    ]


def test_every_usage_price_has_tiers_and_a_fee_has_none(
    rows: dict[str, list[dict[str, Any]]],
) -> None:
    tiers = {}
    for row in rows["price_tiers"]:
        bounds = (row["from_quantity"], row["up_to"])
        amounts = (row["unit_amount"], row["flat_amount"])
        tiers[row["price_id"], row["tier_number"]] = (*bounds, *amounts)
    assert tiers == {
        ("plan/payg/data", 1): (0, None, Decimal("0.08"), 0),
        ("plan/payg/calls", 1): (0, None, Decimal("0.01"), 0),
        ("contract/k/data/2026-03-01", 1): (0, 100, Decimal("0.05"), 2),
        ("contract/k/data/2026-03-01", 2): (100, None, Decimal("0.04"), 0),
        ("contract/k/calls/2026-01-15", 1): (0, None, 1, 0),
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
    }


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
            "priority": 2,
            "is_paid": True,
        }
    ]


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


def test_tax_is_zero_for_who_pays_none(rows: dict[str, list[dict[str, Any]]]) -> None:
    dumm, reverse = rows["customers"]
    assert (dumm["tax_rate_id"], dumm["tax_name"]) == ("vat", "vat")
    assert dumm["tax_percent"] == Decimal("19.5")
    assert (reverse["tax_rate_id"], reverse["tax_percent"]) == ("vat", 0)
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
