"""Invoices that the catalog writes line by line, outside of the billing periods."""

import hashlib
import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from models.contract_terms import without_repetition
from models.effective import Effective
from models.entries import Entry
from models.fields import (
    Amount,
    Day,
    Identifier,
    Identifiers,
    Quantity,
    SignedAmount,
    Words,
    above_zero,
    refusal,
)

DAY = timedelta(days=1)
LINES_AT_MOST = 1000


class ManualLine(Effective):
    """What is billed once: an amount, or a quantity at an amount for each."""

    description: Words
    amount: SignedAmount | None = None
    quantity: Annotated[Quantity, AfterValidator(above_zero)] | None = None
    unit_amount: Amount | None = None
    tax: Annotated[Identifiers, AfterValidator(without_repetition)] | None = None

    @model_validator(mode="after")
    def _has_one_amount(self) -> Self:
        is_counted = self.quantity is not None and self.unit_amount is not None
        is_named = self.quantity is not None or self.unit_amount is not None
        if is_named is (self.amount is not None) or is_named is not is_counted:
            raise refusal("needs an amount, or a quantity and a unit_amount, and not both")
        return self

    @model_validator(mode="after")
    def _names_both_days(self) -> Self:
        if (self.valid_from is None) != (self.valid_to is None):
            raise refusal("needs from and to, or neither: then the line is for the invoice's date")
        return self

    @property
    def exact_amount(self) -> Decimal:
        """The amount before it is rounded, for checks; what is billed is computed by the models."""
        if self.amount is not None:
            return self.amount
        return (self.quantity or Decimal(0)) * (self.unit_amount or Decimal(0))


def with_lines(lines: tuple[ManualLine, ...]) -> tuple[ManualLine, ...]:
    """Return the lines of an invoice, of which there is at least one."""
    if not 1 <= len(lines) <= LINES_AT_MOST:
        raise refusal(f"needs at least one line, and at most {LINES_AT_MOST}")
    return lines


class ManualInvoice(Entry):
    """An invoice of its own, issued on a day."""

    id: Identifier
    issued_on: Day = Field(alias="date")
    lines: Annotated[tuple[ManualLine, ...], AfterValidator(with_lines)]

    @property
    def content_hash(self) -> str:
        """A hash of what is written of it, so that a change is seen."""
        content = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def days_of(self, line: ManualLine) -> tuple[date, date]:
        """Return the half-open days that a line is for: the day of issue where it names none."""
        if line.valid_from is None or line.valid_to is None:
            return self.issued_on, self.issued_on + DAY
        return line.valid_from, line.valid_to
