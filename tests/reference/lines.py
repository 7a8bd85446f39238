"""Lines of an invoice, as they are compared, and what they are for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Self

from tests.reference.numbers import ZERO
from tests.reference.periods import Period


@dataclass(frozen=True, slots=True)
class Line:
    """One line; its key names invoice, kind, charge and part, and is the line's id."""

    key: str
    kind: str
    charge: str | None
    start: date
    end: date
    quantity: Decimal | None
    billable: Decimal | None
    exact: Decimal
    amount: Decimal


@dataclass
class Charged:
    """A line of a charge: with which period it is billed, and for which; what discounts leave."""

    line: Line
    billed_with: Period
    service: Period
    exact_left: Decimal
    left: Decimal

    @classmethod
    def of(cls, line: Line, billed_with: Period, service: Period) -> Self:
        # Of what comes to nothing payable, nothing can be taken.
        return cls(line, billed_with, service, line.exact if line.amount else ZERO, line.amount)

    @property
    def is_advance(self) -> bool:
        return self.billed_with != self.service


def total(lines: Sequence[Line]) -> Decimal:
    return sum((line.amount for line in lines), ZERO)
