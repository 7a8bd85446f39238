"""What holds from a day until before another: half-open intervals of days."""

from datetime import date
from typing import Self

from pydantic import Field, model_validator

from models.entries import Entry
from models.fields import Day, refusal


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
