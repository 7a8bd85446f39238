"""What a customer used: which records stand, and their aggregate as the dimension says."""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import accumulate, pairwise

from tests.reference.numbers import ZERO, number, quotient, rounded

ADDED_UP = {"sum", "count", "time_weighted"}
FIVE_MINUTES = timedelta(minutes=5)


@dataclass(frozen=True)
class Record:
    """A usage record that stands: not corrected, and no correction to zero."""

    tenant: str
    dimension: str
    at: datetime
    value: Decimal
    metadata: dict


def standing(delivered: Sequence[dict]) -> list[Record]:
    """Return the records that corrections leave, in order of time."""
    corrected = {record["corrects"] for record in delivered if "corrects" in record}
    return sorted(
        (
            Record(
                record["tenant_id"],
                record["dimension_id"],
                datetime.fromisoformat(record["timestamp"]),
                Decimal(record["value"]),
                record.get("metadata", {}),
            )
            for record in delivered
            if record["id"] not in corrected
            and not ("corrects" in record and Decimal(record["value"]) == 0)
        ),
        # Of two levels at one instant, the highest is the latest.
        key=lambda record: (record.at, record.value),
    )


def is_level(dimension: dict, bucket: dict | None = None) -> bool:
    """Return whether parts of a period would count the same thing twice."""
    if bucket is not None:
        return bucket["then"] in ("max", "average")
    return dimension["aggregation"] not in ADDED_UP


def aggregate(
    dimension: dict,
    records: Sequence[Record],
    start: datetime,
    end: datetime,
    begin: datetime | None = None,
) -> Decimal:
    """Return what was used within an interval; levels belong to tenants and are added up.

    The latest level of an interval may be one from before it, in the period that began then.
    """
    within = [record for record in records if start <= record.at < end]
    kind = dimension["aggregation"]
    if kind == "sum":
        return sum((record.value for record in within), ZERO)
    if kind == "count":
        return Decimal(len(within))
    if kind == "count_distinct":
        found = {text_of(record, dimension["distinct_on"]) for record in within}
        return Decimal(len(found - {None}))
    by_tenant: dict[str, list[Decimal]] = defaultdict(list)
    if kind == "latest" and begin is not None:
        # Of the records before, which are in order of time, the last one stays.
        by_tenant |= {
            record.tenant: [record.value]
            for record in records
            if record.at < start and (dimension.get("carry_over") or record.at >= begin)
        }
    for record in within:
        by_tenant[record.tenant].append(record.value)
    return sum((LEVELS[kind](values) for values in by_tenant.values()), ZERO)


LEVELS: dict[str, Callable[[list[Decimal]], Decimal]] = {
    "max": max,
    "min": min,
    "latest": lambda values: values[-1],
    "average": lambda values: quotient(sum(values, ZERO), len(values)),
}


def held(
    dimension: dict, records: Sequence[Record], begin: datetime, start: datetime, end: datetime
) -> Decimal:
    """Return levels times the hours they are held, in a part of a period that began before it.

    The records are one tenant's. Without ``carry_over`` the period begins at zero.
    """
    level, since, weighted = ZERO, start, ZERO
    for record in records:
        if record.at >= end or (record.at < begin and not dimension.get("carry_over")):
            continue
        weighted += level * _hours(max(record.at - since, timedelta(0)))
        since = max(since, record.at)
        level = level + record.value if dimension.get("deltas") else record.value
    return weighted + level * _hours(end - since)


def percentile(
    dimension: dict, records: Sequence[Record], start: datetime, end: datetime
) -> Decimal:
    """Return a percentile of the sums of five minutes, by nearest rank; most are zero."""
    sums: dict[int, Decimal] = defaultdict(lambda: ZERO)
    for record in records:
        if start <= record.at < end:
            sums[(record.at - start) // FIVE_MINUTES] += record.value
    buckets = (end - start) // FIVE_MINUTES
    rank = rounded(number(dimension["percentile"]) * buckets / 100, 0, "up")
    in_order = sorted(sums.values())
    below = [value for value in in_order if value < 0]
    zeros = buckets - len(in_order)
    position = int(rank) - 1
    if position < len(below):
        return below[position]
    return ZERO if position < len(below) + zeros else in_order[position - zeros]


def _hours(time: timedelta) -> Decimal:
    microseconds = time // timedelta(microseconds=1)
    return Decimal(microseconds) / 3_600_000_000


def bucketed(
    dimension: dict, records: Sequence[Record], buckets: Sequence[datetime], then: str
) -> Decimal:
    """Return what becomes of hours or days, each aggregated by itself.

    Those without usage count for the average, and for nothing else.
    """
    found = [
        aggregate(dimension, records, start, end)
        for start, end in pairwise(buckets)
        if any(start <= record.at < end for record in records)
    ]
    if then == "max":
        return max(found, default=ZERO)
    if then == "sum":
        return sum(found, ZERO)
    return quotient(sum(found, ZERO), len(buckets) - 1)


def text_of(record: Record, key: str) -> str | None:
    """Return a value of a record's metadata as text; what is not text is as JSON writes it."""
    value = record.metadata.get(key)
    return value if value is None or isinstance(value, str) else json.dumps(value)


def converted(dimension: dict, quantity: Decimal) -> Decimal:
    """Return an aggregate in billable units, rounded as the dimension says."""
    convert, rounding = dimension.get("convert", {}), dimension.get("rounding", {})
    multiplied = quantity * number(convert.get("multiply"), "1")
    units = quotient(multiplied, number(convert.get("divide"), "1"))
    return rounded(units, rounding.get("decimals", 9), rounding.get("mode", "half_up"))


def billable_parts(
    quantities: Sequence[Decimal], included: Decimal, *, level: bool
) -> list[Decimal]:
    """Return what is billed of a period's parts, which use up included units in order of time.

    What is taken back of what was included gives it back: the period until the end of a part is
    billed for what it exceeds the included units by. All of a level is there in every part.
    """
    if level:
        return [_beyond(quantity, included) for quantity in quantities]
    until = [_beyond(quantity, included) for quantity in accumulate(quantities)]
    return [now - before for before, now in pairwise([ZERO, *until])]


def _beyond(quantity: Decimal, included: Decimal) -> Decimal:
    return min(quantity, max(quantity - included, ZERO))


def beyond_allowance(quantities: Sequence[Decimal], allowance: Decimal) -> list[Decimal]:
    """Return what is billed of quantities in order of time, the first units of which are free.

    What is taken back gives back what was billed, then what was free.
    """
    left, billed, due = allowance, ZERO, []
    for quantity in quantities:
        before = billed
        if quantity < 0:
            billed -= min(-quantity, max(billed, ZERO))
            rest = -quantity - (before - billed)
            again = min(rest, allowance - left)
            left += again
            billed -= rest - again
        else:
            made_good = min(quantity, max(-billed, ZERO))
            free = min(quantity - made_good, left)
            left -= free
            billed += quantity - free
        due.append(billed - before)
    return due
