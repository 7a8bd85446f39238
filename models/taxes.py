"""Taxes: their rates, for how long they hold, and what they are charged on."""

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import combinations
from typing import Self

from pydantic import model_validator

from models.contracts import Customer
from models.effective import Effective, overlap
from models.fields import Country, Identifier, Percent, Words, refusal
from models.problems import Problem


class Tax(Effective):
    """A rate of a tax; one whose rate changes has several entries with the same id.

    ``charges`` are the only ones it is on, ``except_charges`` the only ones it is not on.
    """

    id: Identifier
    name: Words | None = None
    percent: Percent
    country: Country | None = None
    charges: tuple[Identifier, ...] | None = None
    except_charges: tuple[Identifier, ...] | None = None
    inclusive: bool = False

    @model_validator(mode="after")
    def _names_its_charges_in_one_way(self) -> Self:
        if self.charges is not None and self.except_charges is not None:
            raise refusal("expected charges or except_charges, not both")
        if self.named_charges == ():
            raise refusal("names no charge: leave the list out for a tax on all charges")
        return self

    @property
    def named_charges(self) -> tuple[str, ...] | None:
        """The charges of either list; None for a tax on everything."""
        return self.charges if self.except_charges is None else self.except_charges


def customer_taxes(customer: Customer, taxes: Iterable[Tax]) -> tuple[str, ...]:
    """Return the ids of a customer's taxes, in order: its own, else those of its country."""
    if customer.tax is not None:
        return customer.tax
    if customer.country is None:
        return ()
    return tuple(dict.fromkeys(tax.id for tax in taxes if tax.country == customer.country))


def tax_rules(taxes: Iterable[Tax]) -> Iterator[Problem]:
    """Yield a problem for every two rates that cannot both be of one tax."""
    for first, second in combinations(taxes, 2):
        if first.id != second.id or first.place.is_partial or second.place.is_partial:
            continue
        if overlap(
            first.valid_from or date.min,
            first.valid_to,
            second.valid_from or date.min,
            second.valid_to,
        ):
            yield second.place.problem(
                f"two rates of the tax {second.id} hold on the same day; the other one is in "
                f"{first.place}. A rate that changes ends with to, on the day the next one begins"
            )
        if first.country != second.country:
            yield second.place.at("country").problem(
                f"the tax {second.id} is of another country in {first.place}; one tax, one country"
            )
