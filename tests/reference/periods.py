"""Billing periods of a contract, and the instants at which local days begin."""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

MONTHS = {"month": 1, "quarter": 3, "year": 12}
DAYS = {"day": 1, "week": 7}


@dataclass(frozen=True)
class Period:
    """The half-open interval of days that one invoice covers, and the full one it lies in.

    An opening invoice is of a day before which nothing is billed: what is paid at first.
    """

    start: date
    end: date
    full_days: int
    is_opening: bool = False

    @property
    def days(self) -> int:
        return (self.end - self.start).days

    @property
    def last_day(self) -> date:
        return self.end - timedelta(days=1)


def day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def start_of(local_day: date, zone: str) -> datetime:
    """Return the first instant of a day: of two midnights the first, of none the end of the gap."""
    return datetime.combine(local_day, time(), ZoneInfo(zone)).astimezone(UTC)


def common_days(start: date, end: date, since: date | None, until: date | None) -> int:
    """Return how many days of an interval another one, which may be open, holds."""
    first = start if since is None else max(start, since)
    last = end if until is None else min(end, until)
    return max(0, (last - first).days)


def clamped(year: int, month: int, anchor: int) -> date:
    """Return the anchor day of a month, or its last day; months beyond 12 are in later years."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return date(year, month, min(anchor, monthrange(year, month)[1]))


def boundaries(interval: str, anchor: int, begin: date) -> Iterator[date]:
    """Yield the days on which full periods begin, from the last one that is not after begin.

    Quarters and years are counted from the anchor day of the month in which billing begins.
    """
    if interval in DAYS:
        yield from (begin + timedelta(days=DAYS[interval] * step) for step in count())
    year, month = begin.year, begin.month
    if clamped(year, month, anchor) > begin:
        month -= MONTHS[interval]
    yield from (clamped(year, month + MONTHS[interval] * step, anchor) for step in count())


def all_periods(contract: dict, interval: str) -> Iterator[Period]:
    """Yield the billing periods of a contract, for ever if it has no end."""
    start, end = date.fromisoformat(contract["start"]), day(contract.get("end"))
    # With an allowance, a trial is billed and taken off.
    free_days = 0 if "trial_allowance" in contract else contract.get("trial_days", 0)
    begin = start + timedelta(days=free_days)
    days = boundaries(interval, contract.get("anchor_day") or start.day, begin)
    full_start = next(days)
    for full_end in days:
        first, last = max(full_start, begin), min(full_end, end) if end else full_end
        if first >= last:
            return
        yield Period(first, last, (full_end - full_start).days)
        full_start = full_end


def begun_periods(contract: dict, interval: str, zone: str, as_of: datetime) -> Iterator[Period]:
    for period in all_periods(contract, interval):
        if start_of(period.start, zone) >= as_of:
            return
        yield period


def opening_of(contract: dict, first: Period) -> list[Period]:
    """Return what comes before the first period: the day of an opening invoice, or nothing."""
    if not contract.get("opening_invoice"):
        return []
    return [Period(first.start, first.start + timedelta(days=1), first.full_days, is_opening=True)]


def period_after(contract: dict, interval: str, period: Period) -> Period | None:
    end = period.start if period.is_opening else period.end
    return next((p for p in all_periods(contract, interval) if p.start >= end), None)
