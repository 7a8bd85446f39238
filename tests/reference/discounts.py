"""Discounts, each on what those before it left."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from tests.reference.deal import Deal
from tests.reference.lines import Charged, Line
from tests.reference.numbers import ZERO, exact, minor_units, number, split
from tests.reference.periods import Period, all_periods, common_days, day


def apply_discounts(
    deal: Deal, service: Period, charged: Sequence[Charged]
) -> Iterator[tuple[Charged, Line]]:
    """Yield the discounts on the lines for one billing period, billed with it or in advance."""
    for position, discount in enumerate(deal.contract.get("discounts", []), 1):
        since = day(discount.get("from"))
        until = _until(deal, discount)
        held = [
            one
            for one in charged
            if one.line.charge in discount.get("charges", [one.line.charge])
            and common_days(one.line.start, one.line.end, since, until)
        ]
        if "percent" in discount:
            taken = [_percent(deal, one, number(discount["percent"]), since, until) for one in held]
        else:
            days = common_days(service.start, service.end, since, until)
            due = deal.payable(number(discount["amount"]) * days / service.full_days)
            taken = _amounts(deal, held, due)
        for one, (off, amount) in zip(held, taken, strict=True):
            if off or amount:
                yield one, _line(one, position, off, amount)
            one.left -= amount
            # Where nothing payable is left, there is nothing left.
            one.exact_left = one.exact_left - off if one.left else ZERO


def _until(deal: Deal, discount: dict):
    """Return the day on which a discount ends, a number of periods counted out."""
    until, wanted = day(discount.get("to")), discount.get("max_periods")
    since = day(discount.get("from"))
    if wanted is None:
        return until
    for period in all_periods(deal.contract, deal.interval):
        if since is not None and period.end <= since:
            continue
        wanted -= 1
        if not wanted:
            return min(until, period.end) if until else period.end
    return until


def _percent(deal: Deal, one: Charged, percent: Decimal, since, until) -> tuple[Decimal, Decimal]:
    days = (one.line.end - one.line.start).days
    held = common_days(one.line.start, one.line.end, since, until)
    off = exact(one.exact_left * percent * held / 100 / days)
    if off == one.exact_left:
        return off, one.left
    amount = deal.payable(off)
    # Rounding takes no more than there is.
    return off, amount if abs(amount) <= abs(one.left) else one.left


def _amounts(deal: Deal, held: Sequence[Charged], due: Decimal) -> list[tuple[Decimal, Decimal]]:
    """Return what an amount takes of each line: of what is paid in advance first."""
    taken = {}
    for is_advance in (True, False):
        sharing = sorted(
            (one for one in held if one.is_advance == is_advance), key=lambda one: one.line.key
        )
        pool = max(ZERO, min(due, sum((one.left for one in sharing), ZERO)))
        room = [max(one.left, ZERO) for one in sharing]
        parts = split(pool, room, minor_units(deal.plan["currency"]))
        taken |= {one.line.key: part for one, part in zip(sharing, parts, strict=True)}
        due -= pool
    return [(taken[one.line.key], taken[one.line.key]) for one in held]


def _line(one: Charged, position: int, off: Decimal, amount: Decimal) -> Line:
    invoice, name = one.line.key.split(f"/{one.line.kind}/", 1)
    return replace(
        one.line,
        key=f"{invoice}/discount/{name}/{position}",
        kind="discount",
        quantity=None,
        billable=None,
        exact=-off,
        amount=-amount,
    )
