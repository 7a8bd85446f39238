"""Usage as the product's systems know it, before anything goes wrong on the way."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Measurement(NamedTuple):
    """One usage record; the instant in milliseconds, the value as decimal text.

    ``metadata`` is a JSON object as text. A named tuple, because two deliveries of a record are
    duplicates exactly when they are equal.
    """

    record_id: str
    at: int
    tenant_id: str
    dimension_id: str
    value: str
    metadata: str
    corrects: str | None = None


class Broken(NamedTuple):
    """A row that cannot be read as a usage record; what the file holds instead, and the reason."""

    reason: str
    content: bytes | Measurement


Row = Measurement | Broken


def milliseconds(moment: datetime) -> int:
    """Return an instant as milliseconds since 1970."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def moment_of(at: int) -> datetime:
    """Return milliseconds since 1970 as an instant."""
    return EPOCH + timedelta(milliseconds=at)


def timestamp(at: int) -> str:
    """Return milliseconds since 1970 as RFC 3339."""
    return f"{moment_of(at):%Y-%m-%dT%H:%M:%S}.{at % 1000:03d}Z"


def days(first: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the midnights (UTC) of the days that an interval touches."""
    day = first.replace(hour=0, minute=0, second=0, microsecond=0)
    while day < until:
        yield day
        day += timedelta(days=1)
