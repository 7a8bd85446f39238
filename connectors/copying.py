"""Rows into a table through ``COPY``: streamed, in bounded memory.

Arrow tables go in the binary format, which costs the server half of what text does. Python rows go
as text, not CSV: a row without special characters, as nearly all are, is then one ``join``, which
takes a fraction of the time of Python's CSV writer.
"""

import io
import re
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pgpq
import psycopg2
from psycopg2 import sql
from sqlalchemy import Connection, Table

from models.exact_json import write_json

# About a mebibyte of text per chunk: large enough that the round trips cost nothing.
CHUNK_CHARACTERS = 1 << 20
READ_BYTES = 1 << 16
BINARY_READ_BYTES = 1 << 20
# The word that stands for null. No delivered text can be equal to it, as nobody can know it.
_NULL = f"null-{secrets.token_hex(16)}"
_SPECIAL = re.compile(r"[\\\n\r]").search
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


class UnstorableRowError(ValueError):
    """A row that Postgres cannot hold; the message names its table, number and column."""


def copy_rows(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> int:
    """Append rows to a table within the connection's transaction, and return how many.

    Values are text, whole numbers, ``Decimal``, booleans, dates, aware datetimes, UUIDs, None, or a
    mapping or sequence for JSON. None is null and never the empty text.
    """
    unknown = [name for name in columns if name not in table.c]
    if unknown:
        raise UnstorableRowError(f"{table.fullname} has no column {', '.join(unknown)}")
    stream = _TextStream(table, columns, rows)
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("copy {} ({}) from stdin (format text, encoding 'UTF8', null {})").format(
        sql.Identifier(*table.fullname.split(".")), names, sql.Literal(_NULL)
    )
    cursor: Any = connection.connection.cursor()
    try:
        with cursor:
            cursor.copy_expert(statement, stream, READ_BYTES)
    except psycopg2.Error as error:
        # What broke while the rows were produced is the cause; Postgres only saw the stream end.
        if stream.failure is not None:
            raise stream.failure from None
        if isinstance(error, (psycopg2.DataError, psycopg2.IntegrityError)):
            raise UnstorableRowError(_explain(table, error)) from error
        raise
    return stream.row_count


def binary_rows(rows: Any) -> bytes:
    """Return the rows of an Arrow table in the binary format of ``COPY``."""
    encoder = pgpq.ArrowToPostgresBinaryEncoder(rows.schema)
    parts = [encoder.write_header(), *map(encoder.write_batch, rows.to_batches())]
    return b"".join([*parts, encoder.finish()])


def copy_binary(connection: Connection, table: str, columns: Sequence[str], rows: bytes) -> None:
    """Append rows of ``binary_rows`` within the connection's transaction."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("copy {} ({}) from stdin (format binary)").format(
        sql.Identifier(*table.split(".")), names
    )
    cursor: Any = connection.connection.cursor()
    with cursor:
        cursor.copy_expert(statement, io.BytesIO(rows), BINARY_READ_BYTES)


class _TextStream:
    """The rows as a file that ``COPY`` reads."""

    def __init__(self, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        self.row_count = 0
        self.failure: Exception | None = None
        self._table = table
        self._columns = columns
        self._rows = iter(rows)
        self._chunks = self._encoded()
        self._chunk = b""
        self._position = 0

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes; none at the end of the rows."""
        if self._position >= len(self._chunk):
            try:
                self._chunk, self._position = next(self._chunks, b""), 0
            except Exception as failure:
                self.failure = failure
                raise
        piece = self._chunk[self._position : self._position + size]
        self._position += len(piece)
        return piece

    def _encoded(self) -> Iterator[bytes]:
        for first_row, text in self._written():
            if "\x00" in text:
                raise self._unstorable(first_row, text, "\x00", "a NUL character")
            try:
                yield text.encode()
            except UnicodeEncodeError as error:
                lone = text[error.start]
                raise self._unstorable(first_row, text, lone, "half of a surrogate pair") from None

    def _written(self) -> Iterator[tuple[int, str]]:
        """Yield text by the chunk, with the number of its first row."""
        lines: list[str] = []
        length, first_row = 0, 1
        width = len(self._columns)
        for row in self._rows:
            self.row_count += 1
            values = [
                value
                if type(value) is str
                else _NULL
                if value is None
                else _TEXT_OF[type(value)](value)
                for value in row
            ]
            line = "\t".join(values)
            if len(values) != width or line.count("\t") != width - 1 or _SPECIAL(line):
                line = self._escaped(values)
            lines.append(line)
            length += len(line)
            if length >= CHUNK_CHARACTERS:
                yield first_row, "\n".join((*lines, ""))
                lines.clear()
                length, first_row = 0, self.row_count + 1
        yield first_row, "\n".join((*lines, ""))

    def _escaped(self, values: list[str]) -> str:
        if len(values) != len(self._columns):
            raise UnstorableRowError(
                f"row {self.row_count} for {self._table.fullname} has {len(values)} values, "
                f"expected {len(self._columns)}"
            )
        return "\t".join(value.translate(_ESCAPES) for value in values)

    def _unstorable(
        self, first_row: int, text: str, character: str, what: str
    ) -> UnstorableRowError:
        for number, line in enumerate(text.split("\n"), start=first_row):
            for name, value in zip(self._columns, line.split("\t"), strict=False):
                if character in value:
                    return UnstorableRowError(
                        f"row {number} for {self._table.fullname}: {name} holds {what}, "
                        "which Postgres cannot store"
                    )
        return UnstorableRowError(f"a row for {self._table.fullname} holds {what}")


def _decimal(value: Decimal) -> str:
    if not value.is_finite():
        raise UnstorableRowError(f"{value} is not an amount or quantity")
    return str(value)


def _instant(value: datetime) -> str:
    if value.tzinfo is None:
        raise UnstorableRowError(f"{value} has no time zone; every instant needs one")
    return value.isoformat()


def _other(value: object) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return write_json(value)
    raise UnstorableRowError(
        f"a value of type {type(value).__name__} cannot be copied; expected text, int, Decimal, "
        "bool, date, datetime, UUID, None, or a mapping or list for JSON"
    )


_TEXT_OF: defaultdict[type, Callable[[Any], str]] = defaultdict(
    lambda: _other,
    {
        int: str,
        Decimal: _decimal,
        bool: lambda value: "true" if value else "false",
        datetime: _instant,
        date: date.isoformat,
        UUID: str,
        dict: write_json,
        list: write_json,
        tuple: write_json,
    },
)


def _explain(table: Table, error: psycopg2.Error) -> str:
    where = re.search(r"line (\d+)(?:, column (\w+))?", error.diag.context or "")
    place = ""
    if where is not None:
        place = f", row {where[1]}" + (f", column {where[2]}" if where[2] else "")
    return f"{table.fullname}{place}: {error.diag.message_primary}"
