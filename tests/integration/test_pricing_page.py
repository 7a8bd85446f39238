"""The examples of the page on pricing come to what they say, from the catalog to the invoice.

An example is a block of YAML: ``dimension`` (or ``dimensions`` by name), ``charge`` (or
``charges``), what else the ``plan`` and the ``contract`` say, ``usage``, and the ``lines`` of the
invoices of August 2026, each with its kind. A record of usage may say its ``day``, ``time`` and
``tenant``, and how many ``times`` it comes, every five minutes.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from models.dimensions import Dimension
from models.price_models import Price
from tests.conftest import fresh_pipeline
from tests.integration.test_invoicing import INVOICES
from tests.pipeline import Pipeline

PAGE = Path(__file__).parent / "pricing_examples.md"
BLOCK = re.compile(
    r"^### (?P<title>\S+)$|^```yaml\n(?P<example>.*?)^```$", re.MULTILINE | re.DOTALL
)


def examples() -> dict[str, dict[str, Any]]:
    """Return the examples of the page, each with the name of its section and its number in it."""
    found: dict[str, dict[str, Any]] = {}
    title, number = "", 0
    for block in BLOCK.finditer(PAGE.read_text()):
        if block["title"]:
            title, number = block["title"], 0
            continue
        number += 1
        found[f"{title}-{number}"] = yaml.safe_load(block["example"])
    return found


EXAMPLES = examples()


class Case:
    """An example as entries of a catalog and records, under ids of its own."""

    def __init__(self, name: str, example: dict[str, Any]) -> None:
        self.name = name
        self.example = example
        self.named = example.get("dimensions") or {"usage": example.get("dimension") or {}}

    def dimensions(self) -> list[dict[str, Any]]:
        return [
            {"aggregation": "sum", **dimension, "id": self.dimension(name)}
            for name, dimension in self.named.items()
        ]

    def dimension(self, name: str) -> str:
        return f"{self.name}.{name}"

    def plan(self) -> dict[str, Any]:
        charges = self.example.get("charges") or [self.example["charge"]]
        return {
            "id": self.name,
            "currency": "USD",
            **self.example.get("plan", {}),
            "charges": [self.charge(*numbered) for numbered in enumerate(charges, start=1)],
        }

    def charge(self, number: int, charge: dict[str, Any]) -> dict[str, Any]:
        price = charge["price"]
        written = {"id": f"c{number}", **charge, "price": self.price(price)}
        if price["model"] not in ("flat", "capacity"):
            written["dimension"] = self.dimension(charge.get("dimension", "usage"))
        return written

    def price(self, price: dict[str, Any]) -> dict[str, Any]:
        """Return a price whose limits name this example's dimensions."""
        if price["model"] != "capacity":
            return price
        tiers = [dict(tier) for tier in price["tiers"]]
        for tier in tiers:
            limits = tier.get("limits", {})
            tier["limits"] = {self.dimension(name): limit for name, limit in limits.items()}
        return {**price, "tiers": tiers}

    def customer(self) -> dict[str, Any]:
        contract = {
            "id": self.name,
            "plan": self.name,
            "start": "2026-08-01",
            "anchor_day": 1,
            **self.example.get("contract", {}),
        }
        if "overrides" in contract:
            contract["overrides"] = [
                {"charge": "c1", **override, "price": self.price(override["price"])}
                for override in contract["overrides"]
            ]
        tenants = sorted({record["tenant_id"] for record in self.records()})
        return {"id": self.name, "tenants": tenants or [self.name], "contracts": [contract]}

    def records(self) -> Iterator[dict[str, Any]]:
        for number, usage in enumerate(self.example.get("usage", [])):
            given = usage if isinstance(usage, dict) else {"value": usage}
            time = given.get("time", "12:00")
            first = datetime.fromisoformat(f"2026-08-{given.get('day', 1):02}T{time}:00Z")
            for repetition in range(given.get("times", 1)):
                yield {
                    "id": f"{self.name}/{number}/{repetition}",
                    "timestamp": (first + repetition * timedelta(minutes=5)).isoformat(),
                    "tenant_id": ".".join([self.name, *filter(None, [given.get("tenant")])]),
                    "dimension_id": self.dimension(given.get("dimension", "usage")),
                    "value": given["value"],
                    "metadata": given.get("metadata", {}),
                }


@pytest.fixture(scope="module")
def rated(postgres, prepared_template, tmp_path_factory) -> Iterator[Pipeline]:
    cases = [Case(name, example) for name, example in EXAMPLES.items()]
    catalog = {
        "dimensions": [dimension for case in cases for dimension in case.dimensions()],
        "plans": [case.plan() for case in cases],
        "customers": [case.customer() for case in cases],
    }
    directory = tmp_path_factory.mktemp("pricing")
    with fresh_pipeline(postgres, prepared_template, directory) as pipeline:
        folder = pipeline.directory / "catalog"
        folder.mkdir()
        (folder / "catalog.yml").write_text(yaml.safe_dump(catalog, sort_keys=False))
        pipeline.publish(folder)
        pipeline.deliver("gateway", [record for case in cases for record in case.records()])
        pipeline.build(datetime(2026, 9, 1, 12, tzinfo=UTC), *INVOICES)
        yield pipeline


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_an_example_comes_to_its_lines(rated: Pipeline, name: str) -> None:
    found = rated.rows(
        "select kind, amount from marts.fct_invoice_lines"
        f" where contract_id = '{name}' and period_start < '2026-09-01' order by line_number"
    )
    assert [f"{row.kind} {row.amount:.2f}" for row in found] == EXAMPLES[name]["lines"]


def test_there_is_an_example_of_every_model_aggregation_and_option() -> None:
    union, _ = get_args(Price)
    models = {get_args(kind.model_fields["model"].annotation)[0] for kind in get_args(union)}
    aggregations = set(get_args(Dimension.model_fields["aggregation"].annotation))
    options = {"included", "where", "bucket", "minimum", "maximum", "tiers_span"}
    titles = {name.rsplit("-", 1)[0] for name in EXAMPLES}
    assert models | aggregations | options <= titles
