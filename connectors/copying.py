"""Rows into a table through ``COPY``: streamed, in bounded memory, every value as text."""

import csv
import io
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg2
from psycopg2 import sql
from sqlalchemy import Connection, Table

from models.exact_json import write_json

# About a mebibyte of text per chunk: large enough that the round trips cost nothing.
CHUNK_CHARACTERS = 1 << 20
READ_BYTES = 1 << 16
# The word that stands for null. No delivered text can be equal to it, as nobody can know it.
_NULL = f"null-{secrets.token_hex(16)}"


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
    stream = _CsvStream(table, columns, rows)
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL(
        "copy {} ({}) from stdin (format csv, encoding 'UTF8', null {}, force_null ({}))"
    ).format(sql.Identifier(*table.fullname.split(".")), names, sql.Literal(_NULL), names)
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


class _CsvStream:
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
        for first_row, values in self._written():
            text = values.getvalue()
            if "\x00" in text:
                raise self._unstorable(first_row, text, "\x00", "a NUL character")
            try:
                yield text.encode()
            except UnicodeEncodeError as error:
                lone = text[error.start]
                raise self._unstorable(first_row, text, lone, "half of a surrogate pair") from None

    def _written(self) -> Iterator[tuple[int, io.StringIO]]:
        """Yield CSV text by the chunk, with the number of its first row."""
        buffer, first_row = io.StringIO(newline=""), 1
        # All values are quoted: an unquoted carriage return or `\.` would mean something to COPY.
        writer = csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_ALL)
        width = len(self._columns)
        for row in self._rows:
            self.row_count += 1
            if len(row) != width:
                raise UnstorableRowError(
                    f"row {self.row_count} for {self._table.fullname} has {len(row)} values, "
                    f"expected {width}"
                )
            writer.writerow([value if type(value) is str else _text(value) for value in row])
            if buffer.tell() >= CHUNK_CHARACTERS:
                yield first_row, buffer
                buffer.seek(0)
                buffer.truncate()
                first_row = self.row_count + 1
        yield first_row, buffer

    def _unstorable(
        self, first_row: int, text: str, character: str, what: str
    ) -> UnstorableRowError:
        rows = csv.reader(io.StringIO(text, newline=""))
        for number, row in enumerate(rows, start=first_row):
            for name, value in zip(self._columns, row, strict=True):
                if character in value:
                    return UnstorableRowError(
                        f"row {number} for {self._table.fullname}: {name} holds {what}, "
                        "which Postgres cannot store"
                    )
        return UnstorableRowError(f"a row for {self._table.fullname} holds {what}")


def _null(_: None) -> str:
    return _NULL


def _decimal(value: Decimal) -> str:
    if not value.is_finite():
        raise UnstorableRowError(f"{value} is not an amount or quantity")
    return str(value)


def _instant(value: datetime) -> str:
    if value.tzinfo is None:
        raise UnstorableRowError(f"{value} has no time zone; every instant needs one")
    return value.isoformat()


_TEXT_OF: dict[type, Callable[[Any], str]] = {
    type(None): _null,
    int: str,
    Decimal: _decimal,
    bool: lambda value: "true" if value else "false",
    datetime: _instant,
    date: date.isoformat,
    UUID: str,
    dict: write_json,
    list: write_json,
    tuple: write_json,
}


def _text(value: object) -> str:
    convert = _TEXT_OF.get(type(value))
    if convert is not None:
        return convert(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return write_json(value)
    raise UnstorableRowError(
        f"a value of type {type(value).__name__} cannot be copied; expected text, int, Decimal, "
        "bool, date, datetime, UUID, None, or a mapping or list for JSON"
    )


def _explain(table: Table, error: psycopg2.Error) -> str:
    where = re.search(r"line (\d+)(?:, column (\w+))?", error.diag.context or "")
    place = ""
    if where is not None:
        place = f", row {where[1]}" + (f", column {where[2]}" if where[2] else "")
    return f"{table.fullname}{place}: {error.diag.message_primary}"
