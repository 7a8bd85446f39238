"""Random numbers, days and instants that prefer the edges."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

# Leap days, short months, ends of years, and days on which some clock below is changed: of
# Berlin and the Azores, New York and Havana, Santiago, Lord Howe, Cairo.
EDGES = [
    *(date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1), date(2025, 2, 28)),
    *(date(2024, 1, 31), date(2024, 4, 30), date(2024, 12, 31), date(2025, 1, 1)),
    *(date(2024, 3, 31), date(2024, 10, 27), date(2024, 3, 10), date(2024, 11, 3)),
    *(date(2024, 9, 8), date(2024, 4, 7), date(2024, 10, 6), date(2024, 4, 26)),
]
ZONES = [
    *("UTC", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "America/New_York"),
    *("Europe/Berlin", "America/Santiago", "America/Havana", "Atlantic/Azores"),
    *("America/St_Johns", "Africa/Cairo", "Pacific/Auckland"),
]
NEAR = [
    timedelta(0),
    timedelta(microseconds=-1),
    timedelta(microseconds=1),
    timedelta(minutes=-30),
    timedelta(minutes=59),
    timedelta(hours=-1),
]


class Dice(Random):
    """A random generator of one case: the same seed draws the same case, whatever else is drawn."""

    def chance(self, percent: int) -> bool:
        return self.randrange(100) < percent

    def pick(self, *options: Any) -> Any:
        return self.choice(options)

    def digits(self, whole: int, decimals: int) -> Decimal:
        """Return a number with up to so many digits before and after the point."""
        whole, decimals = self.randint(0, whole), self.randint(0, decimals)
        return Decimal(self.randrange(10 ** (whole + decimals))).scaleb(-decimals)

    def unit_amount(self) -> Decimal:
        edges = ("0", "0.01", "0.005", "0.000000000001", "0.333333333333", "1", "2.5")
        return Decimal(self.choice(edges)) if self.chance(50) else self.digits(3, 12)

    def flat_amount(self) -> Decimal:
        return Decimal(self.pick("0", "10", "99.99", "0.005", "31", "500"))

    def day(self) -> date:
        if self.chance(50):
            return self.choice(EDGES)
        return date(2023, 12, 1) + timedelta(days=self.randrange(460))

    def day_near(self, start: date, end: date) -> date:
        """Return a day of an interval, often its first or last, sometimes just outside."""
        last = end - timedelta(days=1)
        edge = self.pick(start, last, end, start - timedelta(days=1), start + timedelta(days=1))
        within = start + timedelta(days=self.randrange(max(1, (end - start).days)))
        return edge if self.chance(40) else within

    def instant(self, start: datetime, end: datetime) -> datetime:
        """Return an instant of an interval, often next to its ends or to a full hour."""
        if self.chance(30):
            return start + max(self.choice(NEAR), timedelta(0))
        if self.chance(20):
            return end - timedelta(microseconds=1)
        if self.chance(5):
            return self.pick(start, end) + self.choice(NEAR)
        seconds = self.randrange(max(1, int((end - start).total_seconds())))
        found = start + timedelta(seconds=seconds)
        return found.replace(minute=0, second=0) if self.chance(20) else found


def text(amount: Decimal) -> str:
    """Return a number as yml has it: plain digits, no exponent."""
    return f"{amount:f}"


def timestamp(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
