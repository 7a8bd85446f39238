"""What every source hands over: deliveries of rows, or the news that it cannot be read."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from models.delivered import Reason


class Unreadable(NamedTuple):
    """A delivered row that is no row of fields; row number 0 stands for the file itself."""

    reason: Reason
    detail: str
    text: str


DeliveredRow = tuple[int, Mapping[str, Any] | Unreadable]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One version of an object, page or day of a source.

    ``rows`` may be called once more for a retry and starts over. ``cursor`` is what the source's
    next pull resumes from, stored in the transaction that lands the rows.
    """

    object: str
    version: str
    rows: Callable[[], Iterator[DeliveredRow]]
    cursor: dict[str, Any] | None = None


class SourceUnavailable(Exception):  # noqa: N818 - a state of the outside world, not our error
    """A source that cannot be read now; nothing of the delivery at hand was kept."""

    def __init__(self, source: str, what: str, remedy: str) -> None:
        super().__init__(f"source {source}: {what}. {remedy}")
        self.source = source
        self.what = what
        self.remedy = remedy


class DeliveryFailed(SourceUnavailable):
    """One delivery that cannot be landed now; the others of the same pull still can."""
