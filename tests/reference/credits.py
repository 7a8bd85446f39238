"""Credits, spent invoice by invoice and charge by charge."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from tests.reference.deal import Deal
from tests.reference.lines import Line, total
from tests.reference.numbers import ZERO, number
from tests.reference.periods import Period, common_days, day
from tests.reference.terms import whole

# What a line is for: the id of its charge, or None.
Needs = dict[str | None, Decimal]


class Credits:
    """The credits of a contract, spent invoice by invoice.

    What a negative invoice carries on can be spent once that invoice is finalised; here, all are
    drafts.
    """

    def __init__(self, deal: Deal) -> None:
        self.deal = deal
        self.left = {
            credit["id"]: number(credit["amount"]) for credit in deal.contract.get("credits", [])
        }

    def lines(self, period: Period, lines: Sequence[Line]) -> Iterator[tuple[Line, Needs]]:
        """Yield what credits pay of an invoice before tax, or what a negative one carries on.

        With each goes what it pays of each charge that it is limited to.
        """
        due = total(lines)
        if due < 0:
            yield whole(self.deal, period, "credit/carried", -due), {}
            return
        needs = _needs(lines)
        for credit in sorted(self._valid(period), key=self._order):
            limited = credit.get("applies_to")
            paid: Needs = {}
            for charge, need in needs.items():
                if limited is None or charge in limited:
                    paid[charge] = min(need, self.left[credit["id"]])
                    self.left[credit["id"]] -= paid[charge]
                    needs[charge] -= paid[charge]
            spent = sum(paid.values(), ZERO)
            if spent:
                line = whole(self.deal, period, f"credit/{credit['id']}", -spent)
                yield line, paid if limited is not None else {}

    def _valid(self, period: Period) -> Iterator[dict]:
        for credit in self.deal.contract.get("credits", []):
            since, until = day(credit.get("from")), day(credit.get("expires"))
            if common_days(period.start, period.end, since, until):
                yield credit

    @staticmethod
    def _order(credit: dict) -> tuple:
        return credit.get("priority", 0), credit.get("expires") or "9999", credit["id"]


def by_charge(lines: Sequence[Line]) -> Needs:
    """Return what each charge comes to: what belongs to none first, the others by their ids."""
    ids = sorted({line.charge for line in lines}, key=lambda charge: charge or "")
    return {one: total([line for line in lines if line.charge == one]) for one in ids}


def _needs(lines: Sequence[Line]) -> Needs:
    """Return what is to be paid, after what is below zero has paid for the first of it."""
    amounts = by_charge(lines)
    negative = sum((min(amount, ZERO) for amount in amounts.values()), ZERO)
    needs: Needs = {}
    for charge, amount in amounts.items():
        paid = min(max(amount, ZERO), -negative)
        negative += paid
        needs[charge] = max(amount, ZERO) - paid
    return needs
