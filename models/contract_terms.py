"""What a contract says beyond its plan: overrides, discounts, minimums, commitments, credits."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from models.effective import Effective
from models.entries import Entry
from models.fields import (
    Amount,
    Day,
    Identifier,
    PayableAmount,
    Percent,
    Quantity,
    above_zero,
    refusal,
)
from models.prices import Price

# What the allowance of a trial is called among the credits.
TRIAL = "trial"


def without_repetition(names: Sequence[str] | None) -> Sequence[str] | None:
    """Return a list in which nothing stands twice."""
    for number, name in enumerate(names or ()):
        if names and name in names[:number]:
            raise refusal(f"{name} stands twice")
    return names


def at_least_one(names: Sequence[str]) -> Sequence[str]:
    """Return a list that is not empty."""
    if not names:
        raise refusal("needs at least one; without the key, all are meant")
    return names


SomeCharges = Annotated[
    tuple[Identifier, ...], AfterValidator(at_least_one), AfterValidator(without_repetition)
]


class Override(Effective):
    """A price that replaces a charge's own."""

    charge: Identifier
    price: Price


class Discount(Effective):
    """Percent or an amount per period off some charges, or all of them."""

    id: Identifier | None = None
    percent: Annotated[Percent, AfterValidator(above_zero)] | None = None
    amount: Annotated[PayableAmount, AfterValidator(above_zero)] | None = None
    charges: SomeCharges | None = None
    max_periods: Annotated[int, Field(ge=1, le=10_000)] | None = None

    @model_validator(mode="after")
    def _is_percent_or_amount(self) -> Self:
        if (self.percent is None) == (self.amount is None):
            raise refusal("needs percent or amount, and not both")
        return self

    @property
    def about(self) -> str:
        """What a discount without an id is known by, while its amount and its end may change."""
        kind = "percent" if self.amount is None else "amount"
        charges = "all charges" if self.charges is None else ", ".join(sorted(self.charges))
        return f"{kind} off {charges} since {self.valid_from or 'the start'}"


class Minimum(Entry):
    """The least that a full period costs."""

    amount: PayableAmount


class TrialUnits(Entry):
    """The first units of a charge, which are not billed."""

    charge: Identifier
    quantity: Annotated[Quantity, AfterValidator(above_zero)]


class TrialAllowance(Entry):
    """What a contract may use or come to before it pays; with trial days, within them."""

    amount: Annotated[PayableAmount, AfterValidator(above_zero)] | None = None
    units: tuple[TrialUnits, ...] = ()

    @model_validator(mode="after")
    def _allows_something(self) -> Self:
        if self.amount is None and not self.units:
            raise refusal("needs an amount, or units: [{charge, quantity}]")
        return self


class Commitment(Effective):
    """What usage and fees of a term are to come to; what exceeds it costs more or less.

    In instalments it is paid in advance, and usage and fees draw it down.
    """

    amount: Annotated[PayableAmount, AfterValidator(above_zero)]
    overage_factor: Annotated[Amount, AfterValidator(above_zero)] = Decimal(1)
    instalments: Annotated[int, Field(ge=1, le=1000)] | None = None
    prepayment_discount: Annotated[Percent, AfterValidator(above_zero)] | None = None

    @model_validator(mode="after")
    def _is_paid_before(self) -> Self:
        if self.prepayment_discount is not None and self.instalments is None:
            raise refusal(
                "has a prepayment_discount, and is not paid in advance; expected instalments, "
                "of which 1 is all at once"
            )
        return self


class Rollover(Entry):
    """How much of what is left of a grant goes on, and for how many billing periods."""

    amount: Annotated[PayableAmount, AfterValidator(above_zero)] | None = None
    periods: Annotated[int, Field(ge=1, le=1000)] = 1


def not_reserved(name: str) -> str:
    """Return the name of a credit, which none of our own has."""
    if name == "carried":
        raise refusal("carried is what a negative invoice carries on; expected another id")
    return name


CreditName = Annotated[Identifier, AfterValidator(not_reserved)]


class Credit(Entry):
    """An amount to be used up before anything is due; the lowest priority is spent first.

    It is granted once, or again with every so many billing periods.
    """

    id: CreditName
    amount: Annotated[PayableAmount, AfterValidator(above_zero)]
    valid_from: Day | None = Field(default=None, alias="from")
    expires: Day | None = None
    every_periods: Annotated[int, Field(ge=1, le=1000)] | None = None
    rollover: Rollover | None = None
    priority: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    paid: bool = False
    applies_to: SomeCharges | None = None

    @model_validator(mode="after")
    def _expires_after_it_begins(self) -> Self:
        if self.valid_from and self.expires and self.expires <= self.valid_from:
            raise refusal(
                f"expires on {self.expires}, which is not after it begins on {self.valid_from}"
            )
        return self

    @model_validator(mode="after")
    def _rolls_over_what_it_has(self) -> Self:
        if self.rollover is None:
            return self
        if self.every_periods is None:
            raise refusal(
                "rolls over and is granted once; expected every_periods, or a later expires instead"
            )
        if self.rollover.amount is not None and self.rollover.amount > self.amount:
            raise refusal(
                f"rolls over {self.rollover.amount} of {self.amount}; "
                "without the amount, all of it rolls over"
            )
        return self

    @property
    def rollover_amount(self) -> Decimal:
        """How much of a grant may be left for later periods at most."""
        if self.rollover is None:
            return Decimal(0)
        return self.amount if self.rollover.amount is None else self.rollover.amount
