"""The days on which a contract's billing periods begin, as far as the catalog has to know them."""

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, timedelta

from models.contracts import Contract
from models.prices import Plan

DAYS = {"day": 1, "week": 7}
MONTHS = {"month": 1, "quarter": 3, "year": 12}


def begins_on(contract: Contract, plan: Plan, day: date) -> bool:
    """Return whether a billing period of a contract without an end would begin on a day."""
    first = contract.billing_start
    if day == first:
        return True
    if plan.interval in DAYS:
        return (day - first).days % DAYS[plan.interval] == 0
    months = (day.year - first.year) * 12 + day.month - first.month
    is_anchor = day.day == min(contract.period_anchor, monthrange(day.year, day.month)[1])
    return is_anchor and months % MONTHS[plan.interval] == 0


def period_starts(contract: Contract, plan: Plan, since: date, until: date) -> Iterator[date]:
    """Yield the first days of the billing periods that begin in a term."""
    first = max(since, contract.billing_start)
    for days in range((until - first).days):
        day = first + timedelta(days=days)
        if begins_on(contract, plan, day):
            yield day
