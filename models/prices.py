"""The charges and plans that prices belong to."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema, model_validator

from models.effective import Effective
from models.entries import Entry
from models.fields import (
    TEXT_SCHEMA,
    Amount,
    Currency,
    Identifier,
    Quantity,
    Words,
    plain,
    refusal,
)
from models.price_models import CapacityPrice, FlatPrice, MetadataKeys, Price

__all__ = ["Bucket", "Charge", "Interval", "Plan", "Price"]

Interval = Literal["day", "week", "month", "quarter", "year"]


def as_list(given: Any) -> Any:
    """Return a list; one value is as good as a list of it."""
    return given if isinstance(given, list | tuple) else [given]


def in_one_order(values: Sequence[str]) -> tuple[str, ...]:
    """Return values sorted, for their order means nothing; there is one, and none twice."""
    if not values:
        raise refusal("expected at least one value")
    for number, value in enumerate(values):
        if value in values[:number]:
            raise refusal(f"{value} stands twice")
    return tuple(sorted(values))


def with_a_key(conditions: dict[str, Any]) -> dict[str, Any]:
    """Return conditions of which there is at least one."""
    if not conditions:
        raise refusal("expected at least one key: where: {region: [eu, us]}")
    return conditions


TEXT = TEXT_SCHEMA.json_schema
ONE_OR_MORE = {"anyOf": [TEXT, {"type": "array", "items": TEXT, "minItems": 1}]}
Values = Annotated[
    tuple[Words, ...],
    BeforeValidator(as_list),
    AfterValidator(in_one_order),
    WithJsonSchema(ONE_OR_MORE),
]
Filter = Annotated[dict[Words, Values], AfterValidator(with_a_key)]


class Bucket(Entry):
    """Usage is aggregated by the hour or day first, and what that gives once more, or priced."""

    every: Literal["hour", "day"]
    then: Literal["sum", "max", "average", "price"]


class Charge(Entry):
    """What a plan asks for: usage of a dimension at a price, or a fee."""

    id: Identifier
    name: Words | None = None
    dimension: Identifier | None = None
    where: Filter | None = None
    group_by: MetadataKeys | None = None
    bucket: Bucket | None = None
    included: Quantity = Decimal(0)
    price: Price
    tiers_span: Literal["part", "period"] = "part"
    minimum: Amount | None = None
    maximum: Amount | None = None

    @model_validator(mode="after")
    def _fees_have_no_dimension(self) -> Self:
        is_fee = isinstance(self.price, FlatPrice)
        if is_fee and self.dimension is not None:
            raise refusal("a flat price bills no usage: leave out the dimension")
        for key in self.usage_options() if is_fee else ():
            raise refusal(f"a flat price bills no usage: leave out {key}")
        if not is_fee and not isinstance(self.price, CapacityPrice) and self.dimension is None:
            raise refusal(f"a price of the model {self.price.model} needs a dimension")
        return self

    @model_validator(mode="after")
    def _a_capacity_names_its_dimensions(self) -> Self:
        if isinstance(self.price, CapacityPrice):
            if self.dimension is not None:
                raise refusal("a capacity has its dimensions in limits: leave out the dimension")
            for key in self.usage_options():
                if key not in ("where", "minimum", "maximum"):
                    raise refusal(f"a capacity has one amount for all: leave out {key}")
        return self

    @model_validator(mode="after")
    def _its_bounds_leave_room(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise refusal(
                f"the minimum {plain(self.minimum)} is more than the maximum {plain(self.maximum)}"
            )
        return self

    def usage_options(self) -> list[str]:
        """Return the keys, given and not neutral, that concern the charge's usage."""
        neutral = {"included": Decimal(0), "tiers_span": "part"}
        keys = ("where", "group_by", "bucket", "included", "tiers_span", "minimum", "maximum")
        return [key for key in keys if getattr(self, key) != neutral.get(key)]

    @property
    def is_fee(self) -> bool:
        """Whether this charge bills no usage."""
        return isinstance(self.price, FlatPrice)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The dimensions of which this charge bills usage."""
        if isinstance(self.price, CapacityPrice):
            return self.price.dimensions
        return () if self.dimension is None else (self.dimension,)


class Plan(Effective):
    """What is sold, from a day until before another: charges in one currency, and an interval."""

    id: Identifier
    name: Words | None = None
    currency: Currency
    interval: Interval = "month"
    charges: tuple[Charge, ...]

    def charge(self, charge_id: str) -> Charge | None:
        """Return a charge by its id."""
        return next((charge for charge in self.charges if charge.id == charge_id), None)
