"""The reference calculator: a catalog and usage records in, the lines of all invoices out."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from tests.reference.credits import Credits
from tests.reference.deal import Deal
from tests.reference.discounts import apply_discounts
from tests.reference.fees import Fees
from tests.reference.lines import Charged, Line, total
from tests.reference.numbers import exact_arithmetic
from tests.reference.periods import (
    Period,
    begun_periods,
    opening_of,
    period_after,
    start_of,
)
from tests.reference.quantities import standing
from tests.reference.taxes import tax_lines
from tests.reference.terms import Commitments, bound_lines, minimum_lines
from tests.reference.usage import (
    capacity_lines,
    seats_in_advance,
    seats_paid,
    usage_lines,
)
from tests.reference.wallets import top_up_grants, top_up_lines


def expected_lines(catalog: dict, records: Sequence[dict], as_of: datetime) -> dict[str, Line]:
    """Return the lines of every invoice that has begun, by their ids.

    The catalog is what its yml files say, the records are as delivered by one source.
    """
    with exact_arithmetic():
        return {
            line.key: line for deal in _deals(catalog, records, as_of) for line in _invoiced(deal)
        }


def _deals(catalog: dict, records: Sequence[dict], as_of: datetime) -> Iterator[Deal]:
    by_id = {
        kind: {entry["id"]: entry for entry in catalog.get(kind, [])}
        for kind in ("dimensions", "plans")
    }
    stand = standing(records)
    customers = {customer["id"]: customer for customer in catalog.get("customers", [])}
    tenants: dict[str, set[str]] = defaultdict(set)
    for customer in customers.values():
        # Without contracts of its own, its usage is rated by those of the nearest payer.
        holders = (one["id"] for one in _payers(customers, customer) if one.get("contracts"))
        tenants[next(holders, "nobody")].update(customer.get("tenants", [customer["id"]]))
    for customer in customers.values():
        *_, payer = _payers(customers, customer)
        for contract in customer.get("contracts", []):
            yield Deal(
                payer,
                frozenset(tenants[customer["id"]]),
                contract,
                by_id["plans"][contract["plan"]],
                by_id["dimensions"],
                catalog.get("taxes", []),
                customer.get("timezone", "UTC"),
                stand,
                as_of,
            )


def _payers(customers: dict[str, dict], customer: dict) -> Iterator[dict]:
    """Yield a customer and those it is billed to in turn; the last one pays."""
    yield customer
    while customer.get("bill_to") == "parent":
        customer = customers[customer["parent"]]
        yield customer


def _invoiced(deal: Deal) -> Iterator[Line]:
    begun = list(begun_periods(deal.contract, deal.interval, deal.zone, deal.as_of))
    periods = [*opening_of(deal.contract, begun[0]), *begun] if begun else []
    fees = Fees(deal)
    charged = [one for period in periods for one in _charged(deal, fees, period)]
    # By the period that lines are for, and by the one that they are billed with.
    for_period: dict[Period, list[Line]] = {}
    with_period: dict[Period, list[Line]] = {}
    for service in dict.fromkeys(one.service for one in charged):
        ones = [one for one in charged if one.service == service]
        lines = [(one, one.line) for one in ones]
        lines += apply_discounts(deal, service, ones)
        for one, line in lines:
            for_period.setdefault(service, []).append(line)
            with_period.setdefault(one.billed_with, []).append(line)
    commitments, credit = Commitments(deal), Credits(deal, list(top_up_grants(deal)))
    for period in periods:
        lines = [
            *with_period.get(period, []),
            *_of_the_period(deal, period, for_period.get(period, []), commitments),
            *commitments.instalments(period),
        ]
        paid = list(credit.lines(period, lines))
        lines += [line for line, _ in paid]
        yield from lines
        yield from tax_lines(deal, period, lines, [of_charges for _, of_charges in paid])
    yield from top_up_lines(deal, credit)


def _of_the_period(
    deal: Deal, period: Period, counted: Sequence[Line], commitments: Commitments
) -> Iterator[Line]:
    """Yield what the terms of the contract add to a period; to what is paid at first, nothing."""
    if period.is_opening:
        return
    bounds = [
        line
        for charge in deal.plan["charges"]
        for line in bound_lines(
            deal, period, charge, total([one for one in counted if one.charge == charge["id"]])
        )
    ]
    due = total(counted) + total(bounds)
    minimum = list(minimum_lines(deal, period, due))
    yield from (*bounds, *minimum, *commitments.lines(period, due, minimum))


def _charged(deal: Deal, fees: Fees, period: Period) -> Iterator[Charged]:
    for charge in deal.plan["charges"]:
        if charge["price"]["model"] == "flat":
            for line, service in fees.lines(charge, period):
                yield Charged.of(line, period, service)
        elif charge["price"]["model"] == "capacity" and not period.is_opening:
            for line in capacity_lines(deal, charge, period):
                yield Charged.of(line, period, period)
        elif charge["price"]["model"] != "capacity":
            yield from _metered(deal, charge, period)


def _metered(deal: Deal, charge: dict, period: Period) -> Iterator[Charged]:
    if not period.is_opening:
        for line in usage_lines(deal, charge, period):
            yield Charged.of(line, period, period)
    after = period_after(deal.contract, deal.interval, period)
    for line in seats_in_advance(deal, charge, period, after):
        yield Charged.of(line, period, after or period)
        # What is paid with this period is taken off in the next, if that has begun.
        if after and start_of(after.start, deal.zone) < deal.as_of:
            for paid in seats_paid(deal, after, line):
                yield Charged.of(paid, after, after)
