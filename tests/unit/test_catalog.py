import json
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest
import yaml

from models.catalog import Catalog, catalog_json_schema, load_catalog
from models.catalog_rules import unknown_cost_sources
from tests.unit.catalog_files import ALL, PLANS, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "catalog").mkdir()
    return tmp_path / "catalog"


def with_plan(charges: str) -> str:
    return f"plans:\n  - id: p\n    currency: USD\n    charges:\n      - {charges}\n"


def test_files_are_read_as_one_catalog(folder: Path) -> None:
    catalog = load_catalog(write(folder, ALL), default_timezone="Europe/Berlin")
    assert [dimension.id for dimension in catalog.dimensions] == ["calls", "data", "users"]
    dumm, second = catalog.customers
    assert dumm.owned_tenants == ("dumm-prod", "4711")
    assert (dumm.currency, dumm.timezone) == ("USD", "Europe/Berlin")
    assert second.owned_tenants == ("second",)
    assert (second.currency, second.timezone) == ("JPY", "Asia/Tokyo")
    assert [rule.id for rule in catalog.cost_rules] == ["tagged", "shared", "support"]
    assert str(dumm.contracts[0].place) == "catalog/customers.yml:7"


def test_a_customer_without_contracts_has_the_currency_of_the_workspace(folder: Path) -> None:
    catalog = load_catalog(write(folder, {"a": "customers: [{id: a}]"}), default_currency="EUR")
    assert catalog.customers[0].currency == "EUR"


def test_numbers_are_exact(folder: Path) -> None:
    amount = "12345678901234567890123456.123456789012"
    charge = f'{{id: a, dimension: d, price: {{model: per_unit, unit_amount: "{amount}"}}}}'
    files = {"a": "dimensions: [{id: d, aggregation: sum}]", "b": with_plan(charge)}
    price = load_catalog(write(folder, files)).plans[0].charges[0].price
    assert price.model == "per_unit"
    assert price.unit_amount == Decimal(amount)


class TestVersion:
    def test_it_depends_on_the_content_only(self, folder: Path) -> None:
        version = load_catalog(write(folder, ALL)).version
        merged = {"one": "\n".join(["# all in one", *reversed(ALL.values())])}
        for file in folder.iterdir():
            file.unlink()
        assert load_catalog(write(folder, merged)).version == version
        assert len(version) == 12

    def test_it_does_not_depend_on_the_order_of_keys_and_entries(self, folder: Path) -> None:
        expected = load_catalog(write(folder, ALL)).version
        for name, text in ALL.items():
            content = yaml.safe_load(text)
            for kind, entries in content.items():
                turned = entries if kind == "cost_rules" else entries[::-1]
                content[kind] = [dict(reversed(entry.items())) for entry in turned]
            (folder / f"{name}.yml").write_text(yaml.safe_dump(content, sort_keys=False))
        assert load_catalog(folder).version == expected

    @pytest.mark.parametrize(
        ("old", "new"),
        [('"0.08"', '"0.0800"'), ("currency: USD", "currency: USD\n    interval: month")],
    )
    def test_another_way_to_say_the_same_is_the_same(
        self, folder: Path, old: str, new: str
    ) -> None:
        version = load_catalog(write(folder, ALL)).version
        write(folder, {"plans": PLANS.replace(old, new, 1)})
        assert load_catalog(folder).version == version

    @pytest.mark.parametrize(
        ("old", "new"),
        [('"0.08"', '"0.09"'), ("10000", "10001"), ("JPY", "KRW"), ("advance", "once")],
    )
    def test_every_change_of_meaning_changes_it(self, folder: Path, old: str, new: str) -> None:
        version = load_catalog(write(folder, ALL)).version
        write(folder, {"plans": PLANS.replace(old, new, 1)})
        assert load_catalog(folder).version != version

    def test_the_order_of_cost_rules_and_the_default_time_zone_are_meaning(
        self, folder: Path
    ) -> None:
        catalog = load_catalog(write(folder, ALL))
        turned = catalog.model_copy(update={"cost_rules": catalog.cost_rules[::-1]})
        assert turned.version != catalog.version
        assert load_catalog(folder, default_timezone="Asia/Tokyo").version != catalog.version

    def test_the_stored_content_gives_the_catalog_back(self, folder: Path) -> None:
        catalog = load_catalog(write(folder, ALL))
        stored = json.loads(json.dumps(catalog.content()))
        again = Catalog.model_validate(stored)
        assert again.version == catalog.version
        assert again.content() == catalog.content()


def test_cost_rules_wait_for_sources_that_exist(folder: Path) -> None:
    rules = load_catalog(write(folder, ALL)).cost_rules
    assert unknown_cost_sources(rules, ["aws", "gcp"]) == []
    [problem] = unknown_cost_sources(rules, ["aws_bill"])
    assert str(problem) == (
        "catalog/rules.yml:2: cost_rules[0].match.source: there is no source aws in meterhouse.yml"
    )


ALL_MODELS = """\
dimensions:
  - {id: d, aggregation: percentile, percentile: 95}
  - {id: e, aggregation: time_weighted, deltas: true, carry_over: true}
plans:
  - id: p
    currency: USD
    charges:
      - id: a
        dimension: d
        where: {region: eu, size: [XL, 1]}
        group_by: [region]
        bucket: {every: hour, then: max}
        minimum: 1
        maximum: "2.5"
        price: {model: matrix, by: [sku], default: 1, prices: [{match: {sku: 5}, unit_amount: 1}]}
      - id: b
        dimension: d
        tiers_span: period
        price: {model: stairstep, tiers: [{up_to: 5, flat_amount: 1}, {flat_amount: 2}]}
      - id: c
        dimension: d
        price: {model: percentage, percent: "2.9", fixed_amount: 1, free_records: 3, free_amount: 1,
                min_amount: 1, max_amount: 2}
      - id: d
        dimension: d
        price: {model: graduated_percentage, tiers: [{percent: 3}]}
      - {id: e, dimension: d, price: {model: dynamic}}
      - id: f
        dimension: d
        price: {model: credits, rates: [{match: {size: XL}, credits: 16}], default: 1,
                credit_amount: 3}
"""


class TestJsonSchema:
    def test_it_accepts_what_the_loader_accepts(self) -> None:
        schema = catalog_json_schema()
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        for text in (*ALL.values(), ALL_MODELS):
            content = json.loads(json.dumps(yaml.safe_load(text), default=str))
            assert list(validator.iter_errors(content)) == []

    @pytest.mark.parametrize(
        "text",
        [
            "plan: []",
            "dimensions: [{id: a}]",
            "dimensions: [{id: a, aggregation: total}]",
            "dimensions: [{id: a/b, aggregation: sum}]",
            "plans: [{id: a, currency: USD, charges: [{id: b, price: {model: flat, amount: -1}}]}]",
            PLANS.replace("included: 10000", "where: {region: []}"),
            PLANS.replace("included: 10000", "where: {region: true}"),
            PLANS.replace("included: 10000", "where: {region: [eu, true]}"),
            PLANS.replace("included: 10000", "where: {region: {eu: 1}}"),
            PLANS.replace("included: 10000", "bucket: {every: week, then: sum}"),
        ],
    )
    def test_it_refuses_what_the_loader_refuses(self, text: str) -> None:
        validator = jsonschema.Draft202012Validator(catalog_json_schema())
        assert list(validator.iter_errors(yaml.safe_load(text)))
