"""Dimensions and the rules that give cloud costs to tenants."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from models.entries import Entry
from models.fields import (
    Amount,
    Identifier,
    Percent,
    TenantName,
    Words,
    above_zero,
    refusal,
)

PositiveRate = Annotated[Amount, AfterValidator(above_zero)]
# Which aggregations an option of a dimension belongs to.
OPTIONS = {
    "distinct_on": ("count_distinct",),
    "percentile": ("percentile",),
    "deltas": ("time_weighted",),
    "carry_over": ("latest", "time_weighted"),
}


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
    aggregation: Literal[
        "sum",
        "count",
        "max",
        "min",
        "average",
        "latest",
        "count_distinct",
        "time_weighted",
        "percentile",
    ]
    distinct_on: Words | None = None
    percentile: Annotated[Percent, AfterValidator(above_zero)] | None = None
    deltas: bool = False
    convert: Convert = Convert()
    rounding: Rounding = Rounding()
    carry_over: bool = False

    @model_validator(mode="after")
    def _its_options_fit_its_aggregation(self) -> Self:
        if self.aggregation == "count_distinct" and self.distinct_on is None:
            raise refusal("count_distinct needs distinct_on, a key of the records' metadata")
        if self.aggregation == "percentile" and self.percentile is None:
            raise refusal('percentile needs to know which one: percentile: "95"')
        if self.deltas and not self.carry_over:
            raise refusal(
                "deltas need carry_over: true: what has changed before the period counts in it"
            )
        for key, aggregations in OPTIONS.items():
            if getattr(self, key) and self.aggregation not in aggregations:
                kinds = "aggregation" if len(aggregations) == 1 else "aggregations"
                raise refusal(f"{key} belongs to the {kinds} {' and '.join(aggregations)} only")
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
