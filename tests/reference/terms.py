"""What a contract adds to the lines of its charges: bounds, minimum and commitments."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise, takewhile

from tests.reference.deal import Deal
from tests.reference.lines import Line, total
from tests.reference.numbers import ZERO, exact, minor_units, number, split
from tests.reference.periods import Period, all_periods, day


def whole(deal: Deal, period: Period, name: str, amount: Decimal, charge=None) -> Line:
    """Return a line about the whole invoice, or the whole of a charge; its name begins its key."""
    key, kind = f"{deal.invoice_id(period)}/{name}", name.split("/")[0]
    rounded = deal.payable(amount)
    return Line(key, kind, charge, period.start, period.end, None, None, exact(amount), rounded)


def bound_lines(deal: Deal, period: Period, charge: dict, charged: Decimal) -> Iterator[Line]:
    """Yield what a charge, discounts taken off, lacks to its minimum or exceeds its maximum by."""
    share = Decimal(period.days) / period.full_days
    least, most = charge.get("minimum"), charge.get("maximum")
    if least is not None:
        missing = deal.payable(number(least) * share) - charged
        if missing > 0:
            yield whole(deal, period, f"minimum/{charge['id']}", missing, charge["id"])
    if most is not None:
        beyond = charged - deal.payable(number(most) * share)
        if beyond > 0:
            yield whole(deal, period, f"discount/{charge['id']}/maximum", -beyond, charge["id"])


def minimum_lines(deal: Deal, period: Period, charged: Decimal) -> Iterator[Line]:
    """Yield what all charges lack to the minimum of the period's days."""
    if "minimum" in deal.contract:
        least = number(deal.contract["minimum"]["amount"])
        missing = deal.payable(least * period.days / period.full_days) - charged
        if missing > 0:
            yield whole(deal, period, "minimum", missing)


class Commitments:
    """The commitments of a contract, drawn down period by period."""

    def __init__(self, deal: Deal) -> None:
        self.deal = deal
        self.used: dict[int, Decimal] = {}
        self.minimums: dict[int, Decimal] = {}

    def lines(self, period: Period, charged: Decimal, minimum: Sequence[Line]) -> Iterator[Line]:
        """Yield what is dearer beyond a commitment, and what is missing at its end.

        Of one in instalments, what is drawn from it.
        """
        for position, commitment in enumerate(self.deal.contract.get("commitments", []), 1):
            since, until = self._term(commitment)
            if not since <= period.start < until:
                continue
            amount = number(commitment["amount"])
            before = self.used.get(position, ZERO)
            self.used[position] = before + charged
            self.minimums[position] = self.minimums.get(position, ZERO) + total(minimum)
            beyond = max(ZERO, before + charged - amount) - max(ZERO, before - amount)
            dearer = beyond * (number(commitment.get("overage_factor"), "1") - 1)
            missing = amount - self.used[position] - self.minimums[position]
            if exact(dearer):
                yield whole(self.deal, period, f"commitment/{position}/overage", dearer)
            if "instalments" in commitment:
                if beyond != charged:
                    yield whole(
                        self.deal, period, f"commitment/{position}/prepaid", beyond - charged
                    )
            elif period.end >= until and missing > 0:
                yield whole(self.deal, period, f"commitment/{position}/remainder", missing)

    def instalments(self, period: Period) -> Iterator[Line]:
        """Yield the instalments that are billed with a period."""
        for position, commitment in enumerate(self.deal.contract.get("commitments", []), 1):
            yield from self._instalments(period, position, commitment)

    def _instalments(self, period: Period, position: int, commitment: dict) -> Iterator[Line]:
        """Yield what is due with a period: with the next one, or as the first with itself."""
        following = period.start if period.is_opening else period.end
        is_opened = self.deal.contract.get("opening_invoice", False)
        count = commitment.get("instalments")
        if count is None:
            return
        since, until = self._term(commitment)
        begun = takewhile(
            lambda one: one.start < until, all_periods(self.deal.contract, self.deal.interval)
        )
        first, *others = [one.start for one in begun]
        starts = [start for start in (first, *others) if start >= since]
        days = [*starts[:: len(starts) // count], until]
        units = minor_units(self.deal.plan["currency"])
        amounts = split(number(commitment["amount"]), [Decimal(1)] * count, units)
        for part, (due, covered) in enumerate(pairwise(days), 1):
            if due == following or (not is_opened and due == period.start == first):
                name = f"commitment/{position}/instalment/{part}"
                lines = [whole(self.deal, period, name, amounts[part - 1])]
                percent = number(commitment.get("prepayment_discount"))
                if percent:
                    off = f"commitment/{position}/prepayment_discount/{part}"
                    lines.append(whole(self.deal, period, off, -amounts[part - 1] * percent / 100))
                yield from (replace(line, start=due, end=covered) for line in lines)

    def _term(self, commitment: dict):
        start = day(commitment.get("from")) or day(self.deal.contract["start"])
        return start, day(commitment.get("to")) or day(self.deal.contract["end"])
