"""Customers, and the contracts in which a plan becomes their own deal."""

from datetime import date, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from models.contract_terms import (
    Commitment,
    Credit,
    Discount,
    Minimum,
    Override,
    TrialAllowance,
    without_repetition,
)
from models.entries import Entry
from models.fields import (
    Country,
    Currency,
    Day,
    Identifier,
    Identifiers,
    TenantName,
    Timezone,
    Words,
    refusal,
)
from models.manual_invoices import ManualInvoice
from models.wallets import Wallet


def in_order_of_time(days: tuple[date, ...]) -> tuple[date, ...]:
    """Return days sorted, of which none stands twice."""
    for number, day in enumerate(days):
        if day in days[:number]:
            raise refusal(f"{day} stands twice")
    return tuple(sorted(days))


class Contract(Entry):
    """A customer on a plan from a day on, with its own deal."""

    id: Identifier
    plan: Identifier
    start: Day
    end: Day | None = None
    replaces: Identifier | None = None
    change: Literal["immediate", "period_end"] = "immediate"
    anchor_day: Annotated[int, Field(ge=1, le=31)] | None = None
    trial_days: Annotated[int, Field(ge=0, le=3660)] = 0
    trial_allowance: TrialAllowance | None = None
    overrides: tuple[Override, ...] = ()
    discounts: tuple[Discount, ...] = ()
    minimum: Minimum | None = None
    commitments: tuple[Commitment, ...] = ()
    credits: tuple[Credit, ...] = ()
    wallets: tuple[Wallet, ...] = ()
    opening_invoice: bool = False
    interim_invoices: Annotated[tuple[Day, ...], AfterValidator(in_order_of_time)] = ()

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.end is not None and self.end <= self.start:
            raise refusal(
                f"ends on {self.end}, which is not after it starts on {self.start}; "
                "the day in end is the first one without the contract"
            )
        return self

    @model_validator(mode="after")
    def _changes_what_it_replaces(self) -> Self:
        if self.change != "immediate" and self.replaces is None:
            raise refusal("says how it changes, and not what: expected replaces, a contract's id")
        return self

    @property
    def trial_end(self) -> date | None:
        """The first day after the trial; an allowance without days lasts until it is spent."""
        if self.trial_allowance is not None and not self.trial_days:
            return None
        return self.start + timedelta(days=self.trial_days)

    @property
    def billing_start(self) -> date:
        """The first day that is billed: an allowance is taken off what is billed."""
        if self.trial_allowance is not None:
            return self.start
        return self.start + timedelta(days=self.trial_days)

    @property
    def period_anchor(self) -> int:
        """The day of the month on which periods begin."""
        return self.anchor_day or self.start.day


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
    parent: Identifier | None = None
    bill_to: Literal["self", "parent"] = "self"
    consolidated_invoices: bool = False
    contracts: tuple[Contract, ...] = ()
    invoices: tuple[ManualInvoice, ...] = ()

    @model_validator(mode="after")
    def _is_taxed_by_one(self) -> Self:
        if self.stripe_tax and self.tax is not None:
            raise refusal("expected tax or stripe_tax: true, not both")
        return self

    @model_validator(mode="after")
    def _is_billed_to_somebody(self) -> Self:
        if self.bill_to == "parent" and self.parent is None:
            raise refusal("bill_to: parent needs the parent")
        return self

    @property
    def owned_tenants(self) -> tuple[str, ...]:
        """The tenants of this customer: those listed, else the one with its own id."""
        return (self.id,) if self.tenants is None else self.tenants
