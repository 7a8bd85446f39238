"""Real companies' prices, as the pages of their catalogs tell them: usage, arithmetic, lines."""

import ast
import csv
import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.golden.pricing_page import BLOCK, Table, tables

CATALOGS = Path(__file__).parents[2] / "sandbox" / "catalogs"
STEPS = {"": timedelta(days=1), "1h": timedelta(hours=1), "1d": timedelta(days=1)}
TIMES = ("first", "last", "every")
RECORD_FIELDS = ("tenant_id", "dimension_id", "value")
OPERATIONS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True)
class Company:
    """A folder of the catalogs: what its page says is used, and what each invoice comes to."""

    name: str
    usage: Table
    invoices: dict[str, Table]

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the records that the rows of usage stand for; other columns are metadata."""
        for number, row in enumerate(self.usage):
            metadata = {
                key: value
                for key, value in row.items()
                if value and key not in TIMES and key not in RECORD_FIELDS
            }
            for count, instant in enumerate(_instants(row)):
                yield {
                    "id": f"{self.name}/{number}/{count}",
                    "timestamp": instant.isoformat(),
                    **{key: row[key] for key in RECORD_FIELDS},
                    "metadata": metadata,
                }


def companies() -> list[Company]:
    """Return what the pages of all companies say."""
    return [_company(page) for page in sorted(CATALOGS.glob("*/README.md"))]


def worked_out(arithmetic: str) -> Decimal:
    """Return what numbers joined by ``+``, ``-``, ``x``, ``/`` and brackets come to."""
    return _value(ast.parse(re.sub(r"(?<= )x(?= )", "*", arithmetic), mode="eval").body, arithmetic)


def _company(page: Path) -> Company:
    text = page.read_text()
    usage = [row for kind, rows in BLOCK.findall(text) if kind == "csv" for row in _rows(rows)]
    sections = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    invoices = {}
    for section in sections:
        invoice_id, _, rest = section.partition("\n")
        (invoices[invoice_id.strip()],) = tables(rest)
    return Company(page.parent.name, usage, invoices)


def _rows(block: str) -> list[dict[str, str]]:
    return list(csv.DictReader(block.splitlines()))


def _instants(row: dict[str, str]) -> Iterator[datetime]:
    first = datetime.fromisoformat(row["first"]).astimezone(UTC)
    last = datetime.fromisoformat(row["last"] or row["first"]).astimezone(UTC)
    while first <= last:
        yield first
        first += STEPS[row["every"]]


def _value(node: ast.expr, arithmetic: str) -> Decimal:
    match node:
        case ast.BinOp():
            calculate = OPERATIONS[type(node.op)]
            return calculate(_value(node.left, arithmetic), _value(node.right, arithmetic))
        case ast.UnaryOp(op=ast.USub()):
            return -_value(node.operand, arithmetic)
        case ast.Constant():
            # As it is written: the value of 0.1 would be a float.
            return Decimal(ast.get_source_segment(arithmetic.replace(" x ", " * "), node))
    raise ValueError(f"{arithmetic}: expected numbers, brackets, +, -, x and /")
