"""Every example of the page on pricing comes to the lines that it shows, through the pipeline."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from models.contracts import Customer
from models.dimensions import Dimension
from models.money import minor_units
from models.prices import Plan
from models.taxes import Tax
from tests.conftest import fresh_pipeline
from tests.golden.catalog_keys import Key, offered, written
from tests.golden.pricing_page import (
    PAGE,
    Example,
    PageError,
    as_shown,
    common_dimensions,
    examples,
)

TEXT = PAGE.read_text()
EXAMPLES = list(examples(TEXT))
AS_OF = datetime(2026, 10, 1, tzinfo=UTC)
LINES = """
    select
        lines.customer_id, lines.kind as line,
        coalesce(lines.charge_id, lines.reference_id) as charge,
        lines.period_start as "from", lines.period_end as "to",
        lines.quantity, lines.billable_quantity as billable,
        lines.exact_amount as "exact amount", lines.amount, lines.tax_included as "tax included",
        case invoices.kind
            when 'opening' then 'opening' else invoices.period_start::text
        end as invoice,
        lines.currency
    from marts.fct_invoice_lines as lines
    inner join marts.fct_invoices as invoices on lines.invoice_id = invoices.invoice_id
    order by
        invoices.period_start, invoices.kind <> 'opening', lines.invoice_id, lines.line_number
"""
GROUPS = """
    select customer_id, line_group::text as "group", charge_id as charge, quantity, amount, currency
    from marts.fct_invoice_line_groups
    order by invoice_line_id, line_group
"""
MONEY = ("amount", "tax included")
KINDS = {"dimensions": Dimension, "taxes": Tax, "plans": Plan, "customers": Customer}
# For people to read, or of what a posted invoice says: no amount depends on it.
WITHOUT_EXAMPLE = {
    *(Key(kind, "name") for kind in ("Dimension", "Plan", "Charge", "Customer", "Tax")),
    *(Key(kind, "id") for kind in ("Plan", "Contract", "Customer")),
    Key("Contract", "plan"),
    # Which contracts are accepted.
    *(Key("Plan", key) for key in ("from", "to")),
    # What a discount is known by when the catalog changes.
    Key("Discount", "id"),
    *(Key("Customer", key) for key in ("stripe_customer", "email", "address", "tax_id")),
    # The tax is then found by Stripe, and no line here has it.
    Key("Customer", "stripe_tax"),
}
# What is written for an example that does not say it itself, and in which part it would.
SUPPLIED = {
    Key("Plan", "currency"): "plan",
    Key("Contract", "start"): "contract",
    Key("Contract", "end"): "contract",
}
# What the sections below a topic are about: each of these keys and choices has one.
TOPICS = {
    "Price models": lambda key: key.key == "model",
    "Aggregations": lambda key: key.key == "aggregation" and key.choice,
    "Dimensions": lambda key: key.kind == "Dimension" and key.key in ("convert", "rounding"),
    "Options of a charge": lambda key: (
        key.kind == "Charge" and key.key not in ("id", "name", "dimension", "price")
    ),
    "Terms of a contract": lambda key: key.kind == "Contract" and key.key not in ("id", "plan"),
    "Customers and taxes": lambda key: (
        key.kind in ("Customer", "Tax") and key.key not in ("id", "contracts", "percent")
    ),
    "The order of an invoice": lambda _: False,
}


def to_show() -> set[Key]:
    """Return what a catalog may say to change an amount: all of it needs an example."""
    everything = {key for kind in KINDS.values() for key in offered(kind)}
    return everything - WITHOUT_EXAMPLE


def shown_by(example: Example) -> set[Key]:
    """Return what an example's own lines of YAML say."""
    keys: set[Key] = set()
    for kind, entries in example.catalog().items():
        keys.update(written([KINDS[kind].model_validate(entry) for entry in entries]))
    parts = [example.given.get(part, {}) for part in SUPPLIED.values()]
    unsaid = {
        key
        for key, part in zip(SUPPLIED, parts, strict=True)
        if f"{SUPPLIED[key]}s" not in example.given and key.key not in part
    }
    return keys - unsaid


SHOWN = {example.id: shown_by(example) for example in EXAMPLES}


def each_example(kind: str) -> pytest.MarkDecorator:
    """Run a test for every example, or for those that have a table of the kind."""
    chosen = [example for example in EXAMPLES if getattr(example, kind)]
    return pytest.mark.parametrize("example", chosen, ids=lambda example: example.id)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The catalog that all examples are together."""
    folder = tmp_path_factory.mktemp("catalog")
    dimensions: dict[str, Any] = {}
    taxes: dict[str, Any] = {}
    for entry in common_dimensions(TEXT):
        dimensions[entry["id"]] = entry
    for example in EXAMPLES:
        catalog = example.catalog()
        for entry in catalog.pop("dimensions"):
            assert dimensions.setdefault(entry["id"], entry) == entry, example.title
        for entry in catalog.pop("taxes"):
            key = f"{entry['id']} {entry.get('from')}"
            assert taxes.setdefault(key, entry) == entry, example.title
        (folder / f"{example.id}.yml").write_text(json.dumps(catalog, default=str))
    shared = {"dimensions": list(dimensions.values()), "taxes": list(taxes.values())}
    (folder / "shared.yml").write_text(json.dumps(shared, default=str))
    return folder


@pytest.fixture(scope="module")
def rated(
    folder, postgres, prepared_template, tmp_path_factory
) -> Iterator[dict[str, dict[str, list[Mapping[str, Any]]]]]:
    """The lines and groups of each example's customer, of all that the page says at once."""
    directory = tmp_path_factory.mktemp("pricing")
    with fresh_pipeline(postgres, prepared_template, directory) as pipeline:
        pipeline.publish(folder)
        records = [record for example in EXAMPLES for record in example.records()]
        report = pipeline.deliver("page", records)
        assert report.landed_count == len(records)
        pipeline.build(AS_OF)
        found: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
        for kind, query in (("lines", LINES), ("groups", GROUPS)):
            for row in pipeline.rows(query):
                of_customer = found.setdefault(row.customer_id, {"lines": [], "groups": []})
                of_customer[kind].append(row._mapping)
        yield found


def shown(found: list[Mapping[str, Any]], columns: list[str]) -> list[dict[str, str]]:
    """Return rows as a table of the page shows them."""
    return [
        {
            column: f"{row[column]:.{minor_units(row['currency'])}f}"
            if column in MONEY
            else as_shown(row[column])
            for column in columns
        }
        for row in found
    ]


@each_example("lines")
def test_an_example_comes_to_the_lines_that_it_shows(example: Example, rated) -> None:
    found = rated.get(example.id, {"lines": []})["lines"]
    assert shown(found, list(example.lines[0])) == example.lines


@each_example("groups")
def test_an_example_is_split_as_it_shows(example: Example, rated) -> None:
    assert shown(rated[example.id]["groups"], list(example.groups[0])) == example.groups


def test_no_two_examples_have_the_same_heading() -> None:
    assert len(SHOWN) == len(EXAMPLES)


def test_a_section_without_a_table_is_no_example() -> None:
    page = "## Topic\n\n### Heading\n\n```yaml\ncharges: []\n```\n"
    with pytest.raises(PageError, match="Heading: expected one table of lines"):
        list(examples(page))


@pytest.mark.parametrize(
    "key", sorted(to_show(), key=str), ids=lambda key: ".".join(filter(None, key))
)
def test_what_a_catalog_may_say_is_said_in_an_example(key: Key) -> None:
    assert any(key in said for said in SHOWN.values())


@each_example("names")
def test_a_heading_names_what_its_example_says(example: Example) -> None:
    said = {name for key in SHOWN[example.id] for name in (key.key, key.choice)}
    assert set(example.names) - said == set()


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_has_a_section_about_each_of_its_keys(topic: str) -> None:
    about = {key.choice or key.key for key in to_show() if TOPICS[topic](key)} - {"model"}
    headed = {name for example in EXAMPLES if example.topic == topic for name in example.names}
    assert about - headed == set()
    assert {example.topic for example in EXAMPLES} == TOPICS.keys()
