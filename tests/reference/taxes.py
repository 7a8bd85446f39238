"""Taxes on what discounts and credits leave."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from tests.reference.credits import Needs, by_charge
from tests.reference.deal import Deal
from tests.reference.lines import Line, total
from tests.reference.numbers import ZERO, number, split
from tests.reference.periods import Period, common_days, day
from tests.reference.terms import whole


def tax_lines(
    deal: Deal, period: Period, lines: Sequence[Line], limited: Sequence[Needs]
) -> Iterator[Line]:
    """Yield the taxes on an invoice; one that is contained, or not owed, is a line of zero.

    What credits of some charges have paid is taken off these charges.
    """
    exempt = deal.payer.get("tax_exempt", "none")
    taxable = _taxable(lines, limited)
    rates = [rate for tax in _taxes_of(deal) if (rate := _rate(deal, tax, period))]
    for rate in rates:
        net = tax = ZERO
        for charge, amount in taxable.items():
            if _is_on(rate, charge):
                contained = _contained(rates, charge) if exempt == "none" else ZERO
                net += amount * 100 / (100 + contained)
                tax += amount * number(rate["percent"]) / (100 + contained)
        if net:
            is_free = exempt != "none" or rate.get("inclusive")
            yield whole(deal, period, f"tax/{rate['id']}", ZERO if is_free else tax)
    if not _taxes_of(deal) and exempt == "reverse" and total(lines):
        yield whole(deal, period, "tax/reverse", ZERO)


def _taxes_of(deal: Deal) -> list[str]:
    named = deal.payer.get("tax", [])
    return named if isinstance(named, list) else [named]


def _rate(deal: Deal, tax: str, period: Period) -> dict | None:
    """Return the rate of a tax that holds on the last day of a period."""
    return next(
        (
            rate
            for rate in deal.taxes
            if rate["id"] == tax
            and common_days(period.last_day, period.end, day(rate.get("from")), day(rate.get("to")))
        ),
        None,
    )


def _is_on(rate: dict, charge: str | None) -> bool:
    if charge is None:
        return "charges" not in rate
    return charge in rate.get("charges", [charge]) and charge not in rate.get("except_charges", [])


def _contained(rates: Sequence[dict], charge: str | None) -> Decimal:
    return sum(
        (
            number(rate["percent"])
            for rate in rates
            if rate.get("inclusive") and _is_on(rate, charge)
        ),
        ZERO,
    )


def _taxable(lines: Sequence[Line], limited: Sequence[Needs]) -> Needs:
    """Return what charges above zero come to, all that is of none of them shared among them."""
    amounts = by_charge(lines)
    for paid in limited:
        for charge, amount in paid.items():
            amounts[charge] -= amount
    positive = {
        charge: amount for charge, amount in amounts.items() if charge is not None and amount > 0
    }
    due = total(lines)
    if not positive:
        return {None: due}
    return dict(zip(positive, split(due, list(positive.values()), 12), strict=True))
