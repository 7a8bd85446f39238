"""Prices, by model: what a quantity, or a record's own amount, comes to."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from models.entries import Entry
from models.fields import (
    Amount,
    Identifier,
    Percent,
    Quantity,
    Words,
    above_zero,
    plain,
    refusal,
)


class Step(Entry):
    """A part of a tiered price, up to and including ``up_to``; the last one is open."""

    up_to: Annotated[Quantity, AfterValidator(above_zero)] | None = None
    flat_amount: Amount = Decimal(0)

    def priced(self, unit_amount: Decimal) -> "Tier":
        """Return this step with a price for each unit."""
        return Tier(up_to=self.up_to, unit_amount=unit_amount, flat_amount=self.flat_amount)


class Tier(Step):
    """A step of which every unit has a price."""

    unit_amount: Amount = Decimal(0)

    @model_validator(mode="after")
    def _says_an_amount(self) -> Self:
        if not self.model_fields_set & {"unit_amount", "flat_amount"}:
            raise refusal('needs a unit_amount or a flat_amount; write "0" where it is free')
        return self


class Stair(Step):
    """A step with one amount for all of it."""

    flat_amount: Amount


class PercentTier(Step):
    """A step of an amount of money, of which a percentage is due."""

    percent: Percent = Decimal(0)

    @model_validator(mode="after")
    def _says_an_amount(self) -> Self:
        if not self.model_fields_set & {"percent", "flat_amount"}:
            raise refusal('needs a percent or a flat_amount; write "0" where it is free')
        return self


StepType = TypeVar("StepType", bound=Step)


def in_ascending_order(tiers: Sequence[StepType]) -> Sequence[StepType]:
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


def fraction(percent: Decimal) -> Decimal:
    """Return a percentage as a fraction, exactly."""
    return percent.scaleb(-2)


def saying_something(match: dict[str, str]) -> dict[str, str]:
    """Return a match with at least one key."""
    if not match:
        raise refusal("expected at least one key; what holds for all usage is the default")
    return match


Match = Annotated[dict[Words, Words], AfterValidator(saying_something)]
Rate = tuple[dict[str, str], Decimal]


class PriceModel(Entry):
    """A price in the one shape that all share: tiers, and rates where metadata decide."""

    def as_tiers(self) -> tuple[Tier, ...]:
        """Return the tiers of this price; a fee and a matrix have none."""
        return self._tiers()

    def as_rates(self) -> tuple[Rate, ...]:
        """Return what metadata decide, first come first served; the last one always holds."""
        return self._rates()

    def _tiers(self) -> tuple[Tier, ...]:
        return ()

    def _rates(self) -> tuple[Rate, ...]:
        return ()


class PerUnitPrice(PriceModel):
    """The same amount for every unit."""

    model: Literal["per_unit"]
    unit_amount: Amount

    def _tiers(self) -> tuple[Tier, ...]:
        return (Tier(unit_amount=self.unit_amount),)


class PackagePrice(PriceModel):
    """An amount for every package; ``rounding`` says what becomes of a started one."""

    model: Literal["package"]
    package_size: Annotated[Quantity, AfterValidator(above_zero)]
    package_amount: Amount
    rounding: Literal["up", "down", "half_up"] = "up"

    def _tiers(self) -> tuple[Tier, ...]:
        return (Tier(unit_amount=self.package_amount),)


class GraduatedPrice(PriceModel):
    """Each tier prices the part of the quantity that lies in it."""

    model: Literal["graduated"]
    tiers: Tiers

    def _tiers(self) -> tuple[Tier, ...]:
        return self.tiers


class VolumePrice(PriceModel):
    """The tier in which the quantity ends prices all of it."""

    model: Literal["volume"]
    tiers: Tiers

    def _tiers(self) -> tuple[Tier, ...]:
        return self.tiers


class StairstepPrice(PriceModel):
    """The amount of the tier in which the quantity ends, however much of it is used."""

    model: Literal["stairstep"]
    tiers: Annotated[tuple[Stair, ...], AfterValidator(in_ascending_order)]

    def _tiers(self) -> tuple[Tier, ...]:
        return tuple(step.priced(Decimal(0)) for step in self.tiers)


class PercentagePrice(PriceModel):
    """A percentage of the amount that records carry, and what each record costs besides."""

    model: Literal["percentage"]
    percent: Percent
    fixed_amount: Amount = Decimal(0)
    free_records: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0
    free_amount: Amount = Decimal(0)
    min_amount: Amount | None = None
    max_amount: Amount | None = None

    @model_validator(mode="after")
    def _its_bounds_leave_room(self) -> Self:
        least, most = self.min_amount, self.max_amount
        if least is not None and most is not None and least > most:
            raise refusal(f"min_amount {plain(least)} is more than max_amount {plain(most)}")
        return self

    def _tiers(self) -> tuple[Tier, ...]:
        return (Tier(unit_amount=fraction(self.percent)),)

    def record_options(self, *, but: Sequence[str] = ()) -> list[str]:
        """Return the keys, given and not neutral, for which each record is looked at."""
        neutral = {"fixed_amount": 0, "free_records": 0, "free_amount": 0}
        keys = (*neutral, "min_amount", "max_amount")
        return [key for key in keys if key not in but and getattr(self, key) != neutral.get(key)]


class GraduatedPercentagePrice(PriceModel):
    """Each tier takes its percentage of the part of the amount that lies in it."""

    model: Literal["graduated_percentage"]
    tiers: Annotated[tuple[PercentTier, ...], AfterValidator(in_ascending_order)]

    def _tiers(self) -> tuple[Tier, ...]:
        return tuple(step.priced(fraction(step.percent)) for step in self.tiers)


class DynamicPrice(PriceModel):
    """The amount that records carry, multiplied."""

    model: Literal["dynamic"]
    multiplier: Amount = Decimal(1)

    def _tiers(self) -> tuple[Tier, ...]:
        return (Tier(unit_amount=self.multiplier),)


class CreditRate(Entry):
    """How many credits a unit takes, where the records' metadata are as ``match`` says."""

    match: Match
    credits: Amount


class MatrixRate(Entry):
    """The price of a unit, where the records' metadata are as ``match`` says."""

    match: Match
    unit_amount: Amount


RateType = TypeVar("RateType", CreditRate, MatrixRate)


def each_within_reach(rates: Sequence[RateType]) -> Sequence[RateType]:
    """Return rates none of which an earlier one, that matches as much or more, leaves unused."""
    for number, rate in enumerate(rates):
        for earlier_number, earlier in enumerate(rates[:number]):
            if earlier.match == rate.match:
                raise refusal(f"[{earlier_number}] and [{number}] match the same")
            if earlier.match.items() <= rate.match.items():
                raise refusal(
                    f"[{number}] never holds: [{earlier_number}] before it matches all that it "
                    "matches; write it first"
                )
    return rates


class CreditsPrice(PriceModel):
    """Quantities become credits, at a rate that metadata may decide; credits have a price."""

    model: Literal["credits"]
    rates: Annotated[tuple[CreditRate, ...], AfterValidator(each_within_reach)] = ()
    default: Amount
    credit_amount: Amount

    def _tiers(self) -> tuple[Tier, ...]:
        return (Tier(unit_amount=self.credit_amount),)

    def _rates(self) -> tuple[Rate, ...]:
        return (*((rate.match, rate.credits) for rate in self.rates), ({}, self.default))


def unlike_each_other(keys: Sequence[str]) -> Sequence[str]:
    """Return a list that has something in it, and nothing twice."""
    if not keys:
        raise refusal("expected at least one key of the records' metadata")
    for number, key in enumerate(keys):
        if key in keys[:number]:
            raise refusal(f"{key} stands twice")
    return keys


MetadataKeys = Annotated[tuple[Words, ...], AfterValidator(unlike_each_other)]


class MatrixPrice(PriceModel):
    """A price of a unit that metadata decide, and a default for what no match meets."""

    model: Literal["matrix"]
    by: MetadataKeys
    prices: Annotated[tuple[MatrixRate, ...], AfterValidator(each_within_reach)]
    default: Amount

    @model_validator(mode="after")
    def _matches_by_its_keys(self) -> Self:
        for number, rate in enumerate(self.prices):
            for key in rate.match:
                if key not in self.by:
                    raise refusal(f"prices[{number}] matches {key}, which is not listed in by")
        return self

    def _rates(self) -> tuple[Rate, ...]:
        return (*((rate.match, rate.unit_amount) for rate in self.prices), ({}, self.default))


class SeatPrice(PriceModel):
    """A price of every seat, for the days on which it is there."""

    model: Literal["seat"]
    unit_amount: Amount | None = None
    tiers: Tiers | None = None
    timing: Literal["advance", "arrears"] = "arrears"
    prorate: Literal["day", "none"] = "day"
    on_removal: Literal["none", "credit"] = "none"

    @model_validator(mode="after")
    def _has_one_price(self) -> Self:
        if (self.unit_amount is None) == (self.tiers is None):
            raise refusal("needs a unit_amount or tiers, and not both")
        return self

    def _tiers(self) -> tuple[Tier, ...]:
        return self.tiers or (Tier(unit_amount=self.unit_amount or Decimal(0)),)


class CapacityTier(Entry):
    """What an amount holds, at most, of each of some dimensions; of the others, everything."""

    limits: dict[Identifier, Quantity] = Field(default_factory=dict)
    amount: Amount


def in_rising_limits(tiers: Sequence[CapacityTier]) -> Sequence[CapacityTier]:
    """Return tiers each of which holds more than the one before, and the last one everything."""
    if not tiers or not tiers[0].limits:
        raise refusal("the first tier needs limits: limits: {users: 10}")
    if tiers[-1].limits:
        raise refusal("the last tier must hold everything: leave out its limits")
    for number, (lower, tier) in enumerate(pairwise(tiers), start=1):
        for dimension, limit in tier.limits.items():
            if dimension not in lower.limits or limit < lower.limits[dimension]:
                raise refusal(
                    f"limits must rise: tier [{number}] holds {plain(limit)} of {dimension}, and "
                    "the one before it more"
                )
        if tier.limits == lower.limits:
            raise refusal(f"limits must rise: tier [{number}] holds what the one before it does")
    return tiers


class CapacityPrice(PriceModel):
    """The amount of the lowest tier that holds what was used of every dimension it limits."""

    model: Literal["capacity"]
    tiers: Annotated[tuple[CapacityTier, ...], AfterValidator(in_rising_limits)]

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The dimensions that are limited, in the order in which they are named."""
        return tuple(dict.fromkeys(name for tier in self.tiers for name in tier.limits))

    def _tiers(self) -> tuple[Tier, ...]:
        # What is priced is the number of the tier: the first holds 1, the last one all beyond.
        last = len(self.tiers)
        return tuple(
            Tier(up_to=None if number == last else Decimal(number), flat_amount=tier.amount)
            for number, tier in enumerate(self.tiers, start=1)
        )


class FlatPrice(PriceModel):
    """A fee: at the beginning of each period, at its end, or once with the first."""

    model: Literal["flat"]
    amount: Amount
    timing: Literal["advance", "arrears", "once"] = "arrears"
    prorate: bool = True


Price = Annotated[
    PerUnitPrice
    | PackagePrice
    | GraduatedPrice
    | VolumePrice
    | StairstepPrice
    | PercentagePrice
    | GraduatedPercentagePrice
    | DynamicPrice
    | CreditsPrice
    | MatrixPrice
    | SeatPrice
    | CapacityPrice
    | FlatPrice,
    Field(discriminator="model"),
]


def metadata_keys(price: Price) -> set[str]:
    """Return the keys of the records' metadata by which a price tells usage apart."""
    return {key for match, _ in price.as_rates() for key in match}
