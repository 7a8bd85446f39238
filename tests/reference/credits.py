"""Credits, spent invoice by invoice and charge by charge."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import islice

from tests.reference.deal import Deal
from tests.reference.lines import Line, total
from tests.reference.numbers import ZERO, number
from tests.reference.periods import Period, all_periods, begun_periods, common_days, day
from tests.reference.terms import whole

# What a line is for: the id of its charge, or None.
Needs = dict[str | None, Decimal]


@dataclass(frozen=True)
class Grant:
    """An amount that pays some charges, or all, of the periods that have a day of its own."""

    name: str
    amount: Decimal
    since: date | None
    until: date | None
    priority: int
    charges: list[str] | None

    @property
    def order(self) -> tuple:
        return self.priority, self.until or date.max, self.name


def grants(deal: Deal, credit: dict) -> Iterator[Grant]:
    """Yield what a credit gives: once, or in the first of every so many periods."""
    since, until = day(credit.get("from")), day(credit.get("expires"))
    rest = credit.get("priority", 0), credit.get("applies_to")
    if "every_periods" not in credit:
        yield Grant(credit["id"], number(credit["amount"]), since, until, *rest)
        return
    begun = list(begun_periods(deal.contract, deal.interval, deal.zone, deal.as_of))
    valid = [period for period in begun if common_days(period.start, period.end, since, until)]
    for first in valid[:: credit["every_periods"]]:
        yield from _granted_with(deal, credit, first)


def _of_trial(contract: dict) -> Grant:
    """Return the allowance of a trial, which is spent before other credits."""
    since, days = date.fromisoformat(contract["start"]), contract.get("trial_days", 0)
    until = since + timedelta(days=days) if days else None
    return Grant("trial", number(contract["trial_allowance"]["amount"]), since, until, -1, None)


def _granted_with(deal: Deal, credit: dict, first: Period) -> Iterator[Grant]:
    """Yield what ends with its periods, and what may be left for those after them."""
    expires, every = day(credit.get("expires")), credit["every_periods"]
    since = max(first.start, day(credit.get("from")) or first.start)
    later = {"periods": 1, "amount": credit["amount"]} | credit.get("rollover", {"amount": "0"})
    rest = credit.get("priority", 0), credit.get("applies_to")
    for name, amount, periods in (
        ("", number(credit["amount"]) - number(later["amount"]), every),
        (":rollover", number(later["amount"]), every + later["periods"]),
    ):
        until = _end_of_periods(deal, first, periods)
        if expires is not None and expires < until:
            until = expires
        if amount:
            yield Grant(f"{credit['id']}:{first.start}{name}", amount, since, until, *rest)


def _end_of_periods(deal: Deal, first: Period, periods: int) -> date:
    """Return the day after so many periods; beyond the contract, those that it would have had."""
    endless = {key: value for key, value in deal.contract.items() if key != "end"}
    following = [
        one for one in islice(all_periods(endless, deal.interval), 2000) if one.start >= first.start
    ]
    return following[periods - 1].end


class Credits:
    """The credits of a contract, spent invoice by invoice.

    What a negative invoice carries on can be spent once that invoice is finalised; here, all are
    drafts.
    """

    def __init__(self, deal: Deal, bought: Sequence[Grant] = ()) -> None:
        self.deal = deal
        given = [
            grant for credit in deal.contract.get("credits", []) for grant in grants(deal, credit)
        ]
        if "amount" in deal.contract.get("trial_allowance", {}):
            given.append(_of_trial(deal.contract))
        self.grants = [*given, *bought]
        self.left = {grant.name: grant.amount for grant in self.grants}
        self.unpaid: dict[Period, Needs] = {}

    def lines(self, period: Period, lines: Sequence[Line]) -> Iterator[tuple[Line, Needs]]:
        """Yield what credits pay of an invoice before tax, or what a negative one carries on.

        With each goes what it pays of each charge that it is limited to.
        """
        due = total(lines)
        if due < 0:
            yield whole(self.deal, period, "credit/carried", -due), {}
            return
        needs = self.unpaid[period] = _needs(lines)
        valid = [
            grant
            for grant in self.grants
            if common_days(period.start, period.end, grant.since, grant.until)
        ]
        for grant in sorted(valid, key=lambda grant: grant.order):
            paid: Needs = {}
            for charge, need in needs.items():
                if grant.charges is None or charge in grant.charges:
                    paid[charge] = min(need, self.left[grant.name])
                    self.left[grant.name] -= paid[charge]
                    needs[charge] -= paid[charge]
            spent = sum(paid.values(), ZERO)
            if spent:
                line = whole(self.deal, period, f"credit/{grant.name}", -spent)
                yield line, paid if grant.charges is not None else {}


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
