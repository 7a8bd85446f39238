"""Customers, and the contracts in which a plan becomes their own deal."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from models.entries import Entry
from models.fields import (
    Country,
    Currency,
    Day,
    Identifier,
    Identifiers,
    PayableAmount,
    Percent,
    TenantName,
    Timezone,
    Words,
    above_zero,
    refusal,
)
from models.prices import Price


def overlap(
    first_from: date, first_to: date | None, second_from: date, second_to: date | None
) -> bool:
    """Return whether two half-open intervals of days have a day in common."""
    return (second_to is None or first_from < second_to) and (
        first_to is None or second_from < first_to
    )


class Effective(Entry):
    """Something that holds from a day until before another; without days, as the contract does."""

    valid_from: Day | None = Field(default=None, alias="from")
    valid_to: Day | None = Field(default=None, alias="to")

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.valid_from and self.valid_to and self.valid_to <= self.valid_from:
            raise refusal(
                f"ends on {self.valid_to}, which is not after it begins on {self.valid_from}; "
                "the day in to is the first one on which it no longer holds"
            )
        return self


class Override(Effective):
    """A price that replaces a charge's own."""

    charge: Identifier
    price: Price


class Discount(Effective):
    """Percent off some charges, or all of them."""

    percent: Annotated[Percent, AfterValidator(above_zero)]
    charges: tuple[Identifier, ...] | None = None


class Minimum(Entry):
    """The least that a full period costs."""

    amount: PayableAmount


class Credit(Entry):
    """An amount to be used up before anything is due; the lowest priority is spent first."""

    id: Identifier
    amount: Annotated[PayableAmount, AfterValidator(above_zero)]
    valid_from: Day | None = Field(default=None, alias="from")
    expires: Day | None = None
    priority: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    paid: bool = False

    @field_validator("id")
    @classmethod
    def _is_not_reserved(cls, given: str) -> str:
        if given == "carried":
            raise refusal("carried is what a negative invoice carries on; expected another id")
        return given

    @model_validator(mode="after")
    def _expires_after_it_begins(self) -> Self:
        if self.valid_from and self.expires and self.expires <= self.valid_from:
            raise refusal(
                f"expires on {self.expires}, which is not after it begins on {self.valid_from}"
            )
        return self


class Contract(Entry):
    """A customer on a plan from a day on, with its own deal."""

    id: Identifier
    plan: Identifier
    start: Day
    end: Day | None = None
    anchor_day: Annotated[int, Field(ge=1, le=31)] | None = None
    trial_days: Annotated[int, Field(ge=0, le=3660)] = 0
    overrides: tuple[Override, ...] = ()
    discounts: tuple[Discount, ...] = ()
    minimum: Minimum | None = None
    credits: tuple[Credit, ...] = ()

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.end is not None and self.end <= self.start:
            raise refusal(
                f"ends on {self.end}, which is not after it starts on {self.start}; "
                "the day in end is the first one without the contract"
            )
        return self

    @property
    def billing_start(self) -> date:
        """The first day after the trial, if there is one."""
        return self.start + timedelta(days=self.trial_days)

    @property
    def period_anchor(self) -> int:
        """The day of the month on which periods begin."""
        return self.anchor_day or self.start.day


def without_repetition(tenants: Sequence[str] | None) -> Sequence[str] | None:
    """Return a list in which nothing stands twice."""
    for number, tenant in enumerate(tenants or ()):
        if tenants and tenant in tenants[:number]:
            raise refusal(f"{tenant} stands twice")
    return tenants


class Customer(Entry):
    """Who is billed. Time zone and currency are the workspace's where the file is silent."""

    id: Identifier
    name: Words | None = None
    tenants: Annotated[tuple[TenantName, ...], AfterValidator(without_repetition)] | None = None
    stripe_customer: Words | None = None
    email: Words | None = None
    address: Words | None = None
    country: Country | None = None
    tax_id: Words | None = None
    tax_exempt: Literal["none", "exempt", "reverse"] = "none"
    tax: Annotated[Identifiers, AfterValidator(without_repetition)] | None = None
    stripe_tax: bool | None = None
    currency: Currency | None = None
    timezone: Timezone | None = None
    contracts: tuple[Contract, ...] = ()

    @property
    def owned_tenants(self) -> tuple[str, ...]:
        """The tenants of this customer: those listed, else the one with its own id."""
        return (self.id,) if self.tenants is None else self.tenants
