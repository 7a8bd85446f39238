"""The rows of one pull on their way into deliveries: screened for news, and cut by size."""

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from connectors.arrow_arrays import whole_numbers
from connectors.deliveries import ROW_NUMBER, Block, DeliveredRow
from connectors.native_rows import numbered
from connectors.postgres_rows import PostgresRows, RowFormat

# What a transaction lands: large enough that its own cost is nothing, small enough to do it again.
DELIVERY_ROWS = 2_000_000
DELIVERY_BYTES = 512 * 1024 * 1024


class Screened(NamedTuple):
    """What of some rows is news: the places of those to land as they are, and rewritten ones.

    A rewritten row has its place for a number.
    """

    kept: Sequence[int]
    rewritten: Sequence[DeliveredRow] = ()


# Screens rows of which so many, the first ones, may have landed.
Screening = Callable[[PostgresRows, int], Screened]


class _Piece(NamedTuple):
    """Some rows, in the cursor's order, of which only the news is left."""

    table: Any
    news: Screened
    first: str
    last: str

    @property
    def row_count(self) -> int:
        return len(self.news.kept) + len(self.news.rewritten)

    def block(self, row_format: RowFormat, first_number: int) -> Block:
        """Return the rows, numbered in their order."""
        if len(self.news.kept) == self.table.num_rows:
            return Block(native=PostgresRows(row_format, numbered(self.table, first_number)))
        places = np.array([*self.news.kept, *(place for place, _ in self.news.rewritten)], np.int64)
        numbers = np.empty(len(places), np.int64)
        numbers[np.argsort(places)] = np.arange(first_number, first_number + len(places))
        kept_count = len(self.news.kept)
        kept = self.table.take(whole_numbers(places[:kept_count]))
        kept = kept.append_column(ROW_NUMBER, whole_numbers(numbers[:kept_count]))
        rewritten = [
            (number, row)
            for number, (_, row) in zip(
                numbers[kept_count:].tolist(), self.news.rewritten, strict=True
            )
        ]
        return Block(rewritten, PostgresRows(row_format, kept))


class BlockStream:
    """News, of which each call of ``delivery`` takes as much as one transaction lands."""

    def __init__(
        self, texts: Iterator[bytes], row_format: RowFormat, cursor: str, screening: Screening
    ) -> None:
        self._texts = texts
        self._format = row_format
        self._cursor_place = row_format.names.index(cursor)
        self._screening = screening
        self._pieces = self._screened()
        self._next: _Piece | None = None
        self.taken_count = 0

    def close(self) -> None:
        """End the statement that the rows come from."""
        self._pieces.close()

    def next_cursor(self) -> str | None:
        """Return the cursor of the first row that is not taken yet; None at the end."""
        if self._next is None:
            self._next = next(self._pieces, None)
        return self._next.first if self._next is not None else None

    def delivery(self) -> Generator[Block, None, str]:
        """Yield the blocks of a delivery, and return the cursor of its last row."""
        row_count, size, last = 0, 0, ""
        while self.next_cursor() is not None and (piece := self._next) is not None:
            row_count += piece.row_count
            size += piece.table.nbytes
            if last and (row_count > DELIVERY_ROWS or size > DELIVERY_BYTES):
                break
            self._next, last = None, piece.last
            self.taken_count += piece.row_count
            yield piece.block(self._format, row_count - piece.row_count + 1)
        return last

    def _screened(self) -> Generator[_Piece, None, None]:
        try:
            for text in self._texts:
                table, seen_count = self._format.parsed(text)
                for start in range(0, table.num_rows, DELIVERY_ROWS):
                    part = table.slice(start, DELIVERY_ROWS)
                    yield from self._news(part, min(max(seen_count - start, 0), part.num_rows))
        finally:
            self._texts.close()  # type: ignore[attr-defined]

    def _news(self, table: Any, seen_count: int) -> Iterator[_Piece]:
        news = self._screening(PostgresRows(self._format, numbered(table, 0)), seen_count)
        places = [*news.kept, *(place for place, _ in news.rewritten)]
        if places:
            yield _Piece(table, news, self._cursor(table, min(places)), self._cursor(table, -1))

    def _cursor(self, table: Any, place: int) -> str:
        return str(table.column(self._cursor_place)[place].as_py())
