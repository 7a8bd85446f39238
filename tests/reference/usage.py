"""The usage of a billing period, each charge split where its price changes."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate, groupby, pairwise, takewhile

from tests.reference.deal import Deal
from tests.reference.fees import parts_of, price_on, timing
from tests.reference.lines import Line
from tests.reference.numbers import ZERO, exact, number, quotient, rounded
from tests.reference.periods import Period, all_periods, start_of
from tests.reference.prices import Part, amounts, group_of, keys_of, owed_days, rate_for
from tests.reference.quantities import (
    Record,
    aggregate,
    beyond_allowance,
    billable_parts,
    bucketed,
    converted,
    held,
    is_level,
    percentile,
    text_of,
)


def usage_lines(deal: Deal, charge: dict, period: Period) -> Iterator[Line]:
    """Yield a line for each part of the period in which something was used or is due."""
    dimension = deal.dimensions[charge["dimension"]]
    level = is_level(dimension, charge.get("bucket"))
    days = parts_of(deal, charge, period.start, period.end)
    used = [_used(deal, charge, period, start, end) for start, end in days]
    quantities = [sum(by_match.values(), ZERO) for by_match, _ in used]
    billable = billable_parts(quantities, number(charge.get("included")), level=level)
    billable = _after_trial(deal, charge, period, billable)
    parts = [
        Part(
            price_on(deal, charge, start),
            (end - start).days,
            period.days,
            level,
            records,
            by_match,
            billable[n],
        )
        for n, ((start, end), (by_match, records)) in enumerate(zip(days, used, strict=True))
    ]
    due = amounts(parts, spanning=charge.get("tiers_span") == "period")
    for n, (start, end) in enumerate(days):
        if parts[n].price["model"] == "seat":
            due[n] = _due_of_seats(parts[n], list(_seats(deal, charge, period, start, end)))
        elif _is_priced_by_bucket(charge):
            due[n] = _due_of_buckets(parts[n])
        if quantities[n] or due[n]:
            yield Line(
                f"{deal.invoice_id(period)}/usage/{charge['id']}/{n + 1}",
                "usage",
                charge["id"],
                start,
                end,
                quantities[n],
                billable[n],
                due[n],
                deal.payable(due[n]),
            )


def _after_trial(
    deal: Deal, charge: dict, period: Period, quantities: list[Decimal]
) -> list[Decimal]:
    """Return what the units of a trial, used since the contract began, leave of the parts."""
    trial = deal.contract.get("trial_allowance", {})
    free = [units for units in trial.get("units", []) if units["charge"] == charge["id"]]
    days = deal.contract.get("trial_days")
    begin = date.fromisoformat(deal.contract["start"])
    if not free or (days and period.start >= begin + timedelta(days=days)):
        return quantities
    before: list[Decimal] = []
    for earlier in takewhile(
        lambda one: one.start < period.start, all_periods(deal.contract, deal.interval)
    ):
        used = [
            sum(_used(deal, charge, earlier, start, end)[0].values(), ZERO)
            for start, end in parts_of(deal, charge, earlier.start, earlier.end)
        ]
        before += billable_parts(used, number(charge.get("included")), level=False)
    billed = beyond_allowance([*before, *quantities], number(free[0]["quantity"]))
    return billed[len(before) :]


def _due_of_seats(part: Part, stretches: list[tuple[Decimal, int, int]]) -> Decimal:
    """Return what seats cost in a part, stretch by stretch, rounded as one."""
    owed, whole = ZERO, 1
    for seats, days, whole in stretches:
        owed += owed_days([replace(part, billable=seats, days=days, of_days=whole)])[0]
    return exact(owed / whole)


def _is_priced_by_bucket(charge: dict) -> bool:
    return charge.get("bucket", {}).get("then") == "price"


def _due_of_buckets(part: Part) -> Decimal:
    """Return what the buckets of a part cost, each due in full, rounded as one."""
    buckets = [
        replace(part, days=part.of_days, billable=quantity) for quantity in part.by_match.values()
    ]
    return exact(sum((owed_days([one])[0] for one in buckets), ZERO) / part.of_days)


def seats_in_advance(
    deal: Deal, charge: dict, period: Period, after: Period | None
) -> Iterator[Line]:
    """Yield what the seats that are left cost in the next period, if that is paid before."""
    price = price_on(deal, charge, after.start) if after else {}
    if after is None or price["model"] != "seat" or timing(price) != "advance":
        return
    *_, left = _seats_by_day(deal, charge, period)
    seats = converted(deal.dimensions[charge["dimension"]], left)
    billable = billable_parts([seats], number(charge.get("included")), level=True)[0]
    of_days = after.days if price.get("prorate", "day") == "none" else after.full_days
    part = Part(
        price, after.days, of_days, is_level=True, records=[], by_match={}, billable=billable
    )
    [due] = amounts([part])
    if due:
        yield Line(
            f"{deal.invoice_id(period)}/fee/{charge['id']}/0",
            "fee",
            charge["id"],
            after.start,
            after.end,
            seats,
            billable,
            due,
            deal.payable(due),
        )


def seats_paid(deal: Deal, period: Period, in_advance: Line) -> Iterator[Line]:
    """Yield what is taken off the seats of a period for having been paid before it."""
    if in_advance.amount:
        yield replace(
            in_advance,
            key=f"{deal.invoice_id(period)}/fee/{in_advance.charge}/paid",
            quantity=None,
            billable=None,
            exact=-in_advance.amount,
            amount=-in_advance.amount,
        )


def capacity_lines(deal: Deal, charge: dict, period: Period) -> Iterator[Line]:
    """Yield the lines of a capacity: one amount for all of its dimensions, for the days of a part.

    The quantity that a line shows is that of the first dimension.
    """
    limited = list(dict.fromkeys(key for tier in _limits(charge["price"]) for key in tier))
    parts = parts_of(deal, charge, period.start, period.end)
    for position, (start, end) in enumerate(parts, 1):
        used = {}
        for dimension in limited:
            of_one = charge | {"dimension": dimension}
            found = _measured(deal, of_one, period, _theirs(deal, of_one), start, end)
            used[dimension] = converted(deal.dimensions[dimension], found)
        price = price_on(deal, charge, start)
        amount = next(
            number(tier["amount"])
            for tier, limits in zip(price["tiers"], _limits(price), strict=True)
            if all(used[dimension] <= number(limit) for dimension, limit in limits.items())
        )
        amount = exact(amount * (end - start).days / period.days)
        first = used[limited[0]]
        if first or amount:
            key = f"{deal.invoice_id(period)}/usage/{charge['id']}/{position}"
            due = deal.payable(amount)
            yield Line(key, "usage", charge["id"], start, end, first, first, amount, due)


def _limits(price: dict) -> list[dict]:
    return [tier.get("limits", {}) for tier in price["tiers"]]


def _theirs(deal: Deal, charge: dict) -> list[Record]:
    """Return the records that a charge bills, of all time."""
    return [
        record
        for record in deal.records
        if record.dimension == charge["dimension"]
        and record.tenant in deal.tenants
        and _passes(charge, record)
    ]


def _used(
    deal: Deal, charge: dict, period: Period, start: date, end: date
) -> tuple[dict[tuple, Decimal], list[Record]]:
    """Return the quantity of what the price tells apart in a part, and the part's records.

    That may be buckets, where each is priced for itself. Of a price by credits, the quantity is in
    credits.
    """
    dimension = deal.dimensions[charge["dimension"]]
    price, keys = price_on(deal, charge, start), keys_of(price_on(deal, charge, start))
    grouped: dict[tuple, list[Record]] = {} if keys else {(): []}
    theirs = _theirs(deal, charge)
    first, last = start_of(start, deal.zone), start_of(end, deal.zone)
    used = [record for record in theirs if first <= record.at < last]
    if _is_priced_by_bucket(charge):
        edges = _buckets(charge["bucket"]["every"], start, end, deal.zone)
        return dict(_used_by_bucket(dimension, used, pairwise(edges))), used
    for record in theirs:
        grouped.setdefault(group_of(record, keys), []).append(record)
    quantities = {}
    for group, records in grouped.items():
        quantity = converted(dimension, _measured(deal, charge, period, records, start, end))
        if price["model"] == "credits":
            quantity = rounded(quantity * rate_for(price, group), 9)
        quantities[group] = quantity
    return quantities, used


def _used_by_bucket(
    dimension: dict, records: list[Record], buckets: Iterable[tuple[datetime, datetime]]
) -> Iterator[tuple[tuple, Decimal]]:
    """Yield the quantity of each bucket in which something was used, with its beginning."""
    for first, last in buckets:
        if any(first <= record.at < last for record in records):
            yield (first,), converted(dimension, aggregate(dimension, records, first, last))


def _measured(
    deal: Deal, charge: dict, period: Period, records: list[Record], start: date, end: date
) -> Decimal:
    """Return what some records come to in a part, as dimension and bucket say."""
    dimension = deal.dimensions[charge["dimension"]]
    first, last = start_of(start, deal.zone), start_of(end, deal.zone)
    if "bucket" in charge:
        buckets = list(_buckets(charge["bucket"]["every"], start, end, deal.zone))
        return bucketed(dimension, records, buckets, charge["bucket"]["then"])
    if dimension["aggregation"] == "percentile":
        return percentile(dimension, records, first, last)
    begin = start_of(period.start, deal.zone)
    if dimension["aggregation"] != "time_weighted":
        return aggregate(dimension, records, first, last, begin)
    # What the filter or the price tells apart is a series of its own.
    keys = [*charge.get("where", {}), *keys_of(price_on(deal, charge, start))]
    series: dict[tuple, list[Record]] = {}
    for record in records:
        series.setdefault((record.tenant, group_of(record, keys)), []).append(record)
    until = max(first, min(last, deal.as_of))
    hours = (held(dimension, one, begin, first, until) for one in series.values())
    return quotient(sum(hours, ZERO), 1)


def _seats(
    deal: Deal, charge: dict, period: Period, start: date, end: date
) -> Iterator[tuple[Decimal, int, int]]:
    """Yield billable seats of a part, the days they are due for, and those of a whole price."""
    price = price_on(deal, charge, start)
    there = list(_seats_by_day(deal, charge, period))
    by_day = [converted(deal.dimensions[charge["dimension"]], seats) for seats in there]
    if price.get("on_removal", "none") == "none":
        by_day = list(accumulate(by_day, max))
    # A stretch ends where a seat is removed, also if it stays to be paid.
    days = slice((start - period.start).days, (end - period.start).days)
    of_part, full_days = list(zip(by_day[days], there[days], strict=True)), period.full_days
    if price.get("prorate", "day") == "none":
        # Due for the whole period, whatever its parts: the most seats, or those it ends with.
        of_part, full_days = [(by_day[-1], None)] * len(of_part), period.days
    included = number(charge.get("included"))
    for (seats, _), stretch in groupby(of_part):
        billable = billable_parts([seats], included, level=True)[0]
        yield billable, len(list(stretch)), full_days


def _seats_by_day(deal: Deal, charge: dict, period: Period) -> Iterator[Decimal]:
    """Yield what the tenants have at the end of each day of a period."""
    dimension = deal.dimensions[charge["dimension"]]
    begin = start_of(period.start, deal.zone)
    records = _theirs(deal, charge)
    for number_of_day in range(1, period.days + 1):
        until = start_of(period.start + timedelta(days=number_of_day), deal.zone)
        yield aggregate(dimension, records, begin, until, begin)


def _passes(charge: dict, record: Record) -> bool:
    """Return whether a charge bills a record: of each key of its filter, one of the values."""
    for key, values in charge.get("where", {}).items():
        if text_of(record, key) not in (values if isinstance(values, list) else [values]):
            return False
    return True


def _buckets(every: str, start: date, end: date, zone: str) -> Iterator[datetime]:
    """Yield the beginnings of a part's days, or UTC hours that may be cut by it, and its end."""
    instant, last = start_of(start, zone), start_of(end, zone)
    while every == "hour" and instant < last:
        yield instant
        instant = instant.replace(minute=0) + timedelta(hours=1)
    while every == "day" and start < end:
        yield start_of(start, zone)
        start += timedelta(days=1)
    yield last
