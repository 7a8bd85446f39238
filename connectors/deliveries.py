"""What every source hands over: deliveries of rows, or the news that it cannot be read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Any, Literal, NamedTuple, Protocol

from models.delivered import Reason

# The column of native rows that numbers them. No source can deliver one of this name.
ROW_NUMBER = "\x00row_number"
# In a native column's metadata: what its texts are, as the database that wrote them knows.
MARK = b"kind"
# The column of native rows that are JSON.
LINE = "line"
BLOCK_ROWS = 1_000


class Unreadable(NamedTuple):
    """A delivered row that is no row of fields; row number 0 stands for the file itself."""

    reason: Reason
    detail: str
    text: str


DeliveredRow = tuple[int, Mapping[str, Any] | Unreadable]


class NativeRows(Protocol):
    """Rows in native memory: those that are plain land without becoming Python objects."""

    @property
    def kind(self) -> Literal["json", "columns"]:
        """Whether a row is a line of JSON, or a row of delivered columns."""

    def table(self) -> Any:
        """Return an Arrow table of ``ROW_NUMBER`` and ``LINE``, or of it and the columns.

        A column of texts that a database wrote for values of its own has ``MARK`` in its field's
        metadata: ``number``, ``instant``, ``local instant``, ``json`` or ``jsonb``.
        """

    def rows_at(self, indices: Sequence[int]) -> Iterator[DeliveredRow]:
        """Yield the rows at these places of the table, in this order, as Python objects."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of a delivery; no more than fit well into memory.

    ``rows`` are those that are Python objects already, because they are broken or odd. They lie
    among the native ones: the row numbers tell where.
    """

    rows: Sequence[DeliveredRow] = ()
    native: NativeRows | None = None

    def last_number(self) -> int:
        """Return the highest row number, or 0."""
        numbers = [number for number, _ in self.rows]
        if self.native is not None and self.native.table().num_rows:
            numbers.append(self.native.table()[ROW_NUMBER][-1].as_py())
        return max(numbers, default=0)

    def left(self, indices: Sequence[int] | None = None) -> Iterator[DeliveredRow]:
        """Yield the rows that are Python objects and the native ones at these places, by number."""
        if self.native is None:
            return iter(self.rows)
        chosen = range(self.native.table().num_rows) if indices is None else indices
        rows = self.native.rows_at(chosen)
        return iter(sorted([*self.rows, *rows], key=itemgetter(0))) if self.rows else rows


@dataclass(frozen=True, slots=True)
class Delivery:
    """One version of an object, page or day of a source.

    It gives rows, or blocks of native ones. ``cursor`` is what the source's next pull resumes from,
    stored in the transaction that lands the rows; it is complete when these have been read.
    """

    object: str
    version: str
    rows: Callable[[], Iterator[DeliveredRow]]
    cursor: dict[str, Any] | None = None
    blocks: Callable[[], Iterator[Block]] | None = None

    def in_blocks(self) -> Iterator[Block]:
        """Yield the rows by the block."""
        return in_blocks(self.rows()) if self.blocks is None else self.blocks()


def in_blocks(rows: Iterator[DeliveredRow]) -> Iterator[Block]:
    """Yield rows that are Python objects by the block."""
    while block := list(islice(rows, BLOCK_ROWS)):
        yield Block(block)


class SourceUnavailable(Exception):  # noqa: N818 - a state of the outside world, not our error
    """A source that cannot be read now; nothing of the delivery at hand was kept.

    ``landed`` is the report of what came before, once the pull knows it.
    """

    landed: Any = None

    def __init__(self, source: str, what: str, remedy: str) -> None:
        super().__init__(f"source {source}: {what}. {remedy}")
        self.source = source
        self.what = what
        self.remedy = remedy


class DeliveryFailed(SourceUnavailable):
    """One delivery that cannot be landed now; the others of the same pull still can."""
