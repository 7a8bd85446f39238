"""The examples of the page on pricing, read as what they say: a catalog, usage, and lines."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from models.money import decimals_of

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "pricing.md"
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
CODE = re.compile(r"`([^`]*)`")
# What an example does not say: the month, the currency, and the ids that follow from its heading.
START, END, CURRENCY = "2026-06-01", "2026-07-01", "USD"
LINE_COLUMNS = {"from", "to", "line", "charge", "quantity", "exact amount", "amount"}
GROUP_COLUMNS = {"group", "charge", "quantity", "amount"}
RECORD_FIELDS = {"timestamp", "tenant_id", "dimension_id", "value"}

Table = list[dict[str, str]]


@dataclass(frozen=True)
class Example:
    """A section of the page: what is written in the catalog, what is used, what it comes to."""

    topic: str
    title: str
    given: dict[str, Any]
    usage: Table
    lines: Table
    groups: Table

    @property
    def id(self) -> str:
        """The heading as an id: of the customer, the plan and the contract."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")

    @property
    def names(self) -> list[str]:
        """The keys and values that the heading promises an example of."""
        return CODE.findall(self.title)

    def catalog(self) -> dict[str, list[dict[str, Any]]]:
        """Return the entries of the catalog, with what the page leaves unsaid."""
        given, own = self.given, {"id": self.id}
        plans = given.get("plans") or [
            {**own, **given.get("plan", {}), "charges": given["charges"]}
        ]
        contracts = given.get("contracts") or [
            {**own, "plan": self.id, "start": START, "end": END, **given.get("contract", {})}
        ]
        customer = {**own, **given.get("customer", {}), "contracts": contracts}
        return {
            "dimensions": given.get("dimensions", []),
            "taxes": given.get("taxes", []),
            "plans": [{"currency": CURRENCY, **plan} for plan in plans],
            "customers": [customer, *given.get("others", [])],
        }

    def records(self) -> list[dict[str, Any]]:
        """Return the records of usage; columns that are no fields of a record are metadata."""
        return [
            {
                "id": f"{self.id}/{number}",
                "tenant_id": self.id,
                **{key: row[key] for key in RECORD_FIELDS & row.keys()},
                "metadata": {
                    key: value for key, value in row.items() if key not in RECORD_FIELDS and value
                },
            }
            for number, row in enumerate(self.usage)
        ]


class PageError(ValueError):
    """A section that is no example; the message names it and what it lacks."""


def common_dimensions(page: str) -> list[dict[str, Any]]:
    """Return the dimensions that the page names before its first example."""
    opening = page.split("\n### ", maxsplit=1)[0]
    return yaml.safe_load(dict(BLOCK.findall(opening))["yaml"])["dimensions"]


def examples(page: str) -> Iterator[Example]:
    """Yield the sections of the page below each topic."""
    for topic in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        heading, _, rest = topic.partition("\n")
        for section in re.split(r"^### ", rest, flags=re.MULTILINE)[1:]:
            title, _, text = section.partition("\n")
            yield _example(heading.strip(), title.strip(), text)


def _example(topic: str, title: str, text: str) -> Example:
    blocks = BLOCK.findall(text)
    kinds = [kind for kind, _ in blocks]
    told_tables = list(tables(BLOCK.sub("", text)))
    lines = [table for table in told_tables if table[0].keys() >= LINE_COLUMNS]
    groups = [table for table in told_tables if table[0].keys() == GROUP_COLUMNS]
    if kinds.count("yaml") != 1 or kinds.count("csv") > 1 or len(kinds) > 2:
        raise PageError(f"{title}: expected one block of yaml, and at most one of csv")
    if len(lines) != 1 or len(lines) + len(groups) != len(told_tables):
        raise PageError(f"{title}: expected one table of lines with {sorted(LINE_COLUMNS)}")
    told = dict(blocks)
    usage = list(csv.DictReader(told.get("csv", "").splitlines()))
    return Example(
        topic,
        title,
        yaml.safe_load(told["yaml"]),
        usage,
        lines[0],
        groups[0] if groups else [],
    )


def tables(text: str) -> Iterator[Table]:
    """Yield the tables of a text, each row by the names of its columns."""
    for found in re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE):
        head, _, *rows = (
            [cell.strip() for cell in row.strip().strip("|").split("|")]
            for row in found.splitlines()
        )
        yield [dict(zip(head, row, strict=True)) for row in rows]


def as_shown(value: Any) -> str:
    """Return a value of the warehouse as tables show it: numbers without zeros at their end."""
    if value is None:
        return ""
    if hasattr(value, "quantize"):
        return f"{value:.{decimals_of(value)}f}"
    return str(value)
