"""A contract with all that rating it needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tests.reference.numbers import minor_units, rounded
from tests.reference.periods import Period
from tests.reference.quantities import Record


@dataclass(frozen=True)
class Deal:
    """A contract, who pays it, the tenants that it rates, and the records of all dimensions."""

    payer: dict
    tenants: frozenset[str]
    contract: dict
    plan: dict
    dimensions: dict[str, dict]
    taxes: Sequence[dict]
    zone: str
    records: Sequence[Record]
    as_of: datetime

    @property
    def interval(self) -> str:
        return self.plan.get("interval", "month")

    def payable(self, amount: Decimal) -> Decimal:
        return rounded(amount, minor_units(self.plan["currency"]))

    def invoice_id(self, period: Period) -> str:
        name = f"{self.contract['id']}:{period.start}"
        return f"{name}:opening" if period.is_opening else name
