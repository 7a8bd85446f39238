"""Dimensions and the rules that give cloud costs to tenants."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from models.entries import Entry
from models.fields import (
    Amount,
    Identifier,
    TenantName,
    Words,
    above_zero,
    refusal,
)

PositiveRate = Annotated[Amount, AfterValidator(above_zero)]


class Convert(Entry):
    """What the aggregated value is multiplied with and divided by, to give billable units."""

    multiply: PositiveRate = Decimal(1)
    divide: PositiveRate = Decimal(1)


class Rounding(Entry):
    """How the billable quantity is rounded; up and down are away from and towards zero."""

    decimals: Annotated[int, Field(ge=0, le=9)] = 9
    mode: Literal["up", "down", "half_up"] = "half_up"


class Dimension(Entry):
    """A billable quantity with its unit and aggregation."""

    id: Identifier
    name: Words | None = None
    unit: Words = "unit"
    aggregation: Literal["sum", "count", "max", "latest", "count_distinct"]
    distinct_on: Words | None = None
    convert: Convert = Convert()
    rounding: Rounding = Rounding()
    carry_over: bool = False

    @model_validator(mode="after")
    def _its_options_fit_its_aggregation(self) -> Self:
        counts_distinct = self.aggregation == "count_distinct"
        if counts_distinct and self.distinct_on is None:
            raise refusal("count_distinct needs distinct_on, a key of the records' metadata")
        if self.distinct_on is not None and not counts_distinct:
            raise refusal("distinct_on belongs to the aggregation count_distinct only")
        if self.carry_over and self.aggregation != "latest":
            raise refusal("carry_over belongs to the aggregation latest only")
        return self


class CostMatch(Entry):
    """What a cost line must have for a rule to hold; all that is given must be met."""

    source: Identifier | None = None
    service: Words | None = None
    category: Literal["Usage", "Purchase", "Tax", "Credit", "Adjustment"] | None = None
    tag: dict[str, Words | None] | None = None

    @model_validator(mode="after")
    def _one_tag(self) -> Self:
        if self.tag is not None and len(self.tag) != 1:
            raise refusal("tag: expected one key, with a value or without: tag: {team: search}")
        return self


class CostRule(Entry):
    """Which cost lines go to which tenants; the first rule that holds decides."""

    id: Identifier
    match: CostMatch = CostMatch()
    method: Literal["direct", "proportional", "even", "fixed", "unallocated"]
    tenant_tag: Words | None = None
    dimension: Identifier | None = None
    weights: dict[TenantName, Amount] | None = None
    cost: Literal["variable", "fixed"] = "variable"

    @model_validator(mode="after")
    def _its_options_fit_its_method(self) -> Self:
        needed = {"direct": "tenant_tag", "proportional": "dimension", "fixed": "weights"}
        key = needed.get(self.method)
        if key is not None and getattr(self, key) is None:
            raise refusal(f"the method {self.method} needs {key}")
        for method, key in (("direct", "tenant_tag"), ("fixed", "weights")):
            if self.method != method and getattr(self, key) is not None:
                raise refusal(f"{key} belongs to the method {method} only")
        if self.weights is not None and not any(self.weights.values()):
            raise refusal("weights: at least one must be more than 0")
        return self
