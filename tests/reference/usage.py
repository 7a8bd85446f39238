"""The usage of a billing period, each charge split where its price changes."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

from tests.reference.deal import Deal
from tests.reference.fees import parts_of, price_on
from tests.reference.lines import Line
from tests.reference.numbers import ZERO, number, rounded
from tests.reference.periods import Period, start_of
from tests.reference.prices import Part, amounts, group_of, keys_of, rate_for
from tests.reference.quantities import (
    Record,
    aggregate,
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


def _used(
    deal: Deal, charge: dict, period: Period, start: date, end: date
) -> tuple[dict[tuple, Decimal], list[Record]]:
    """Return the quantity of what the price tells apart in a part, and the part's records.

    Of a price by credits, the quantity is in credits.
    """
    dimension = deal.dimensions[charge["dimension"]]
    price, keys = price_on(deal, charge, start), keys_of(price_on(deal, charge, start))
    first, last = start_of(start, deal.zone), start_of(end, deal.zone)
    grouped: dict[tuple, list[Record]] = {} if keys else {(): []}
    for record in deal.records:
        is_theirs = record.dimension == dimension["id"] and record.tenant in deal.tenants
        if is_theirs and _passes(charge, record):
            grouped.setdefault(group_of(record, keys), []).append(record)
    quantities = {}
    for group, records in grouped.items():
        if dimension["aggregation"] == "time_weighted":
            end_at = min(last, deal.as_of)
            begin = start_of(period.start, deal.zone)
            series: dict[tuple, list[Record]] = {}
            for one in records:
                told_apart = group_of(one, deal.keys_of[dimension["id"]])
                series.setdefault((one.tenant, told_apart), []).append(one)
            held_hours = [held(dimension, one, begin, first, end_at) for one in series.values()]
            found = sum(held_hours, ZERO)
        elif dimension["aggregation"] == "percentile":
            found = percentile(dimension, records, first, last)
        elif "bucket" in charge:
            every, then = charge["bucket"]["every"], charge["bucket"]["then"]
            buckets = list(_buckets(every, start, end, deal.zone))
            found = bucketed(dimension, records, buckets, then)
        else:
            found = aggregate(dimension, records, first, last)
        quantity = converted(dimension, found)
        if price["model"] == "credits":
            quantity = rounded(quantity * rate_for(price, group), 9)
        quantities[group] = quantity
    within = [one for group in grouped.values() for one in group if first <= one.at < last]
    return quantities, sorted(within, key=lambda record: record.at)


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
