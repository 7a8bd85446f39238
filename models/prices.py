"""Prices, by model; and the charges and plans that they belong to."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from models.entries import Entry
from models.fields import Amount, Currency, Identifier, Quantity, Words, above_zero, plain, refusal

Interval = Literal["day", "week", "month", "quarter", "year"]


class PerUnitPrice(Entry):
    """The same amount for every unit."""

    model: Literal["per_unit"]
    unit_amount: Amount


class PackagePrice(Entry):
    """An amount for every package; ``rounding`` says what becomes of a started one."""

    model: Literal["package"]
    package_size: Annotated[Quantity, AfterValidator(above_zero)]
    package_amount: Amount
    rounding: Literal["up", "down", "half_up"] = "up"


class Tier(Entry):
    """A step of a tiered price, up to and including ``up_to``; the last tier is open."""

    up_to: Annotated[Quantity, AfterValidator(above_zero)] | None = None
    unit_amount: Amount = Decimal(0)
    flat_amount: Amount = Decimal(0)

    @model_validator(mode="after")
    def _says_an_amount(self) -> Self:
        if not self.model_fields_set & {"unit_amount", "flat_amount"}:
            raise refusal('needs a unit_amount or a flat_amount; write "0" where it is free')
        return self


def in_ascending_order(tiers: Sequence[Tier]) -> Sequence[Tier]:
    """Return tiers that rise, of which the last one alone is open."""
    if not tiers:
        raise refusal("needs at least one tier")
    if tiers[-1].up_to is not None:
        raise refusal("the last tier must be open: write up_to: null")
    bound = Decimal(0)
    for number, tier in enumerate(tiers[:-1]):
        if tier.up_to is None:
            raise refusal(f"only the last tier may be open, and tier [{number}] is too")
        if tier.up_to <= bound:
            raise refusal(
                f"tiers must rise: tier [{number}] ends at {plain(tier.up_to)}, "
                f"and the one before it at {plain(bound)}"
            )
        bound = tier.up_to
    return tiers


Tiers = Annotated[tuple[Tier, ...], AfterValidator(in_ascending_order)]


class GraduatedPrice(Entry):
    """Each tier prices the part of the quantity that lies in it."""

    model: Literal["graduated"]
    tiers: Tiers


class VolumePrice(Entry):
    """The tier in which the quantity ends prices all of it."""

    model: Literal["volume"]
    tiers: Tiers


class FlatPrice(Entry):
    """A fee: at the beginning of each period, at its end, or once with the first."""

    model: Literal["flat"]
    amount: Amount
    timing: Literal["advance", "arrears", "once"] = "arrears"
    prorate: bool = True


Price = Annotated[
    PerUnitPrice | PackagePrice | GraduatedPrice | VolumePrice | FlatPrice,
    Field(discriminator="model"),
]


class Charge(Entry):
    """What a plan asks for: usage of a dimension at a price, or a fee."""

    id: Identifier
    name: Words | None = None
    dimension: Identifier | None = None
    included: Quantity = Decimal(0)
    price: Price

    @model_validator(mode="after")
    def _fees_have_no_dimension(self) -> Self:
        is_fee = isinstance(self.price, FlatPrice)
        if is_fee and self.dimension is not None:
            raise refusal("a flat price bills no usage: leave out the dimension")
        if not is_fee and self.dimension is None:
            raise refusal(f"a price of the model {self.price.model} needs a dimension")
        if is_fee and self.included:
            raise refusal("a flat price bills no usage: leave out included")
        return self

    @property
    def is_fee(self) -> bool:
        """Whether this charge bills no usage."""
        return self.dimension is None


class Plan(Entry):
    """What is sold: charges in one currency, billed once per interval."""

    id: Identifier
    name: Words | None = None
    currency: Currency
    interval: Interval = "month"
    charges: tuple[Charge, ...]

    def charge(self, charge_id: str) -> Charge | None:
        """Return a charge by its id."""
        return next((charge for charge in self.charges if charge.id == charge_id), None)
