"""A contract with all that rating it needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property

from tests.reference.numbers import minor_units, rounded
from tests.reference.periods import Period
from tests.reference.quantities import Record


@dataclass(frozen=True)
class Deal:
    """A contract, its customer and plan, and the records of all dimensions."""

    customer: dict
    contract: dict
    plan: dict
    dimensions: dict[str, dict]
    taxes: Sequence[dict]
    zone: str
    records: Sequence[Record]
    as_of: datetime

    @cached_property
    def tenants(self) -> set[str]:
        return set(self.customer.get("tenants", [self.customer["id"]]))

    @property
    def interval(self) -> str:
        return self.plan.get("interval", "month")

    def payable(self, amount: Decimal) -> Decimal:
        return rounded(amount, minor_units(self.plan["currency"]))

    def invoice_id(self, period: Period) -> str:
        return f"{self.contract['id']}:{period.start}"
