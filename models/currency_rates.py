"""What currencies are worth in the company's own, for reports."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Annotated

from pydantic import AfterValidator, Field

from models.entries import Entry
from models.fields import Currency, Day, ExchangeRate, above_zero
from models.problems import Problem


class CurrencyRate(Entry):
    """What one unit of a currency is worth from a day on, until its next rate."""

    currency: Currency
    valid_from: Day = Field(alias="from")
    rate: Annotated[ExchangeRate, AfterValidator(above_zero)]


def currency_rate_rules(
    rates: Sequence[CurrencyRate], reporting_currency: str
) -> Iterator[Problem]:
    """Yield a problem for rates of one day, and for one of the company's own currency."""
    for rate in rates:
        if rate.currency == reporting_currency:
            yield rate.place.at("currency").problem(
                f"{rate.currency} is the company's own currency, in which the rates of the others "
                "are; it has none"
            )
    for first, second in combinations(rates, 2):
        if (first.currency, first.valid_from) == (second.currency, second.valid_from):
            yield second.place.problem(
                f"two rates of {second.currency} begin on {second.valid_from}; the other one is in "
                f"{first.place}"
            )
