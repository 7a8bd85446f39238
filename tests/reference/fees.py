"""Prices by date, and the fees of a billing period."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import pairwise

from tests.reference.deal import Deal
from tests.reference.lines import Line
from tests.reference.numbers import exact, number
from tests.reference.periods import Period, day, period_after


def timing(price: dict) -> str:
    """Return when a fee is due."""
    return price.get("timing", "arrears")


def by_day(price: dict) -> bool:
    """Return whether a part of a period costs its days."""
    return price.get("prorate", True)


def price_on(deal: Deal, charge: dict, on: date) -> dict:
    """Return the price of a charge on a day: an override's, or its own."""
    for override in deal.contract.get("overrides", []):
        since, until = day(override.get("from")), day(override.get("to"))
        if (
            override["charge"] == charge["id"]
            and (since is None or since <= on)
            and (until is None or on < until)
        ):
            return override["price"]
    return charge["price"]


def parts_of(deal: Deal, charge: dict, start: date, end: date) -> list[tuple[date, date]]:
    """Return the parts into which changes of price split an interval."""
    cuts = {start, end}
    for override in deal.contract.get("overrides", []):
        if override["charge"] == charge["id"]:
            cuts |= {day(override.get("from")), day(override.get("to"))} - {None}
    days = sorted(cut for cut in cuts if start <= cut <= end)
    return list(pairwise(days))


class Fees:
    """The fees of a contract, invoice by invoice: each day of a fee is billed once."""

    def __init__(self, deal: Deal) -> None:
        self.deal = deal
        self.billed_until: dict[str, date] = {}

    def lines(self, charge: dict, period: Period) -> Iterator[tuple[Line, Period]]:
        """Yield what is due of a fee with the invoice of a period, and the period it is for.

        What is free has no line.
        """
        after = period_after(self.deal.contract, self.deal.interval, period)
        for line in self._due(charge, period, after):
            if line.exact:
                yield line, after if after and line.start >= after.start else period

    def _due(self, charge: dict, period: Period, after: Period | None) -> Iterator[Line]:
        if not period.is_opening:
            yield from self._own(charge, period)
            self.billed_until[charge["id"]] = period.end
        if after is not None:
            price = price_on(self.deal, charge, after.start)
            if timing(price) in (("advance", "once") if period.is_opening else ("advance",)):
                amount = number(price["amount"])
                if timing(price) == "advance" and by_day(price):
                    amount = exact(amount * after.days / after.full_days)
                yield self._line(charge, period, 0, after, amount)
                self.billed_until[charge["id"]] = after.end

    def _own(self, charge: dict, period: Period) -> Iterator[Line]:
        # When it is due, and whether by day, is decided by the price with which the period begins.
        price = price_on(self.deal, charge, period.start)
        if timing(price) == "once":
            if charge["id"] not in self.billed_until:
                yield self._line(charge, period, 1, period, number(price["amount"]))
            return
        if self.billed_until.get(charge["id"], period.start) > period.start:
            return
        if not by_day(price):
            yield self._line(charge, period, 1, period, number(price["amount"]))
            return
        parts = parts_of(self.deal, charge, period.start, period.end)
        for part, (start, end) in enumerate(parts, 1):
            price = price_on(self.deal, charge, start)
            amount = exact(number(price["amount"]) * (end - start).days / period.full_days)
            yield self._line(charge, period, part, Period(start, end, 0), amount)

    def _line(
        self, charge: dict, period: Period, part: int, due_for: Period, amount: Decimal
    ) -> Line:
        return Line(
            f"{self.deal.invoice_id(period)}/fee/{charge['id']}/{part}",
            "fee",
            charge["id"],
            due_for.start,
            due_for.end,
            None,
            None,
            exact(amount),
            self.deal.payable(amount),
        )
