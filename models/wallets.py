"""Wallets of a contract: credit that is bought, on days that are agreed or when little is left."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from models.contract_terms import CreditName, SomeCharges
from models.entries import Entry
from models.fields import Day, PayableAmount, above_zero, refusal

Positive = Annotated[PayableAmount, AfterValidator(above_zero)]


class TopUp(Entry):
    """An amount that is bought on a day, on an invoice of its own."""

    day: Day = Field(alias="date")
    amount: Positive


class AutomaticTopUp(Entry):
    """An amount that is bought, as often as needed, when less than another is left."""

    below: Positive
    amount: Positive


class Wallet(Entry):
    """Credit that the customer buys; what is left of it pays before anything is due."""

    id: CreditName
    priority: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    valid_days: Annotated[int, Field(ge=1, le=36_600)] | None = None
    applies_to: SomeCharges | None = None
    top_ups: tuple[TopUp, ...] = ()
    automatic: AutomaticTopUp | None = None

    @model_validator(mode="after")
    def _is_topped_up(self) -> Self:
        if not self.top_ups and self.automatic is None:
            raise refusal("needs top_ups or automatic: nothing would ever be in it")
        days = [top_up.day for top_up in self.top_ups]
        for number, day in enumerate(days):
            if day in days[:number]:
                raise refusal(f"two top_ups are on {day}; write their sum as one")
        return self
