"""Rows of a query as Postgres copies them out: streamed, and native until somebody looks at one.

In the text format, which costs the server two thirds of what CSV does.
"""

import io
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Literal

import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from psycopg2 import extensions

from connectors.arrow_arrays import whole_numbers
from connectors.deliveries import MARK, ROW_NUMBER, DeliveredRow, Unreadable
from connectors.line_blocks import BYTE_ORDER_MARK
from connectors.native_rows import text_or_bytes
from models.delivered import Reason
from models.exact_json import NumberText

BLOCK_BYTES = 8 * 1024 * 1024
# No row of usage is so large; more would not be bounded memory.
MAX_ROW_BYTES = 256 * 1024 * 1024

# What the text format of COPY writes for characters that would end a cell or a row.
ESCAPES = {
    b"\\\\": b"\x00",
    b"\\b": b"\b",
    b"\\f": b"\f",
    b"\\n": b"\n",
    b"\\r": b"\r",
    b"\\t": b"\t",
    b"\\v": b"\v",
}

_NUMERIC, _BOOLEAN = 1700, 16
# What is told of text columns: what Postgres wrote them for.
_MARKS = {
    _NUMERIC: b"number",
    1184: b"instant",
    1114: b"local instant",
    114: b"json",
    3802: b"jsonb",
}
_INTEGERS = (20, 21, 23)
# Times and floats come as the text that the server writes: exact, `infinity` and years of five
# digits included. JSON stays text too: psycopg2 would make its numbers floats.
_AS_TEXT = (114, 700, 701, 1082, 1083, 1114, 1184, 1186, 1266, 3802)
_NATIVE = {**dict.fromkeys(_INTEGERS, pa.int64()), _BOOLEAN: pa.bool_()}


def caster_of(oid: int) -> Callable[[str], Any] | None:
    """Return what turns the server's text into a value; None where the text is the value."""
    if oid == _NUMERIC:
        return NumberText
    caster = extensions.string_types.get(oid)
    if oid in _AS_TEXT or caster is None or caster in (extensions.UNICODE, psycopg2.STRING):
        return None
    return lambda text: caster(text, None)


class RowFormat:
    """The columns of a query, the last of which is a flag: their names, and how they are read."""

    def __init__(self, description: Sequence[Any]) -> None:
        self.names = [column.name for column in description[:-1]]
        oids = [column.type_code for column in description]
        self.casters = [None if oid in _NATIVE else caster_of(oid) for oid in oids[:-1]]
        self._types = [self._type(oid) for oid in oids]
        self._fields = [
            pa.field(name, kind, metadata={MARK: _MARKS[oid]} if oid in _MARKS else None)
            for name, kind, oid in zip(self.names, self._types, oids, strict=False)
        ]
        # By place, as a query may give two columns one name.
        self._places = [str(place) for place in range(len(oids))]

    @staticmethod
    def _type(oid: int) -> Any:
        if oid in _NATIVE:
            return _NATIVE[oid]
        # What is no text in Python must not be taken for text natively.
        is_text = oid == _NUMERIC or caster_of(oid) is None
        return pa.string() if is_text else pa.binary()

    def parsed(self, text: bytes) -> tuple[Any, int]:
        """Return whole rows of ``COPY`` as a table, and how many, the first ones, are flagged."""
        if text.startswith(BYTE_ORDER_MARK):
            # Arrow would take it for the beginning of a file, and away.
            text = BYTE_ORDER_MARK + text
        table = pa_csv.read_csv(
            pa.py_buffer(text),
            pa_csv.ReadOptions(
                column_names=self._places, use_threads=False, block_size=len(text) + 1
            ),
            pa_csv.ParseOptions(
                delimiter="\t", quote_char=False, escape_char=False, ignore_empty_lines=False
            ),
            pa_csv.ConvertOptions(
                check_utf8=False,
                null_values=["\\N"],
                strings_can_be_null=True,
                true_values=["t"],
                false_values=["f"],
                column_types=dict(zip(self._places, self._types, strict=True)),
            ),
        )
        *columns, flag = table.columns
        if b"\\" in text:
            columns = [_unescaped(column) for column in columns]
        if not text.isascii():
            # A server whose encoding is SQL_ASCII hands out what it was given.
            columns = [
                text_or_bytes(column) if pa.types.is_string(column.type) else column
                for column in columns
            ]
        fields = [
            field if field.type == column.type else pa.field(field.name, column.type)
            for field, column in zip(self._fields, columns, strict=True)
        ]
        return pa.table(columns, schema=pa.schema(fields)), pc.sum(flag).as_py() or 0


def _unescaped(column: Any) -> Any:
    """Return a column without the escapes of ``COPY``'s text format.

    Doubled backslashes come first, and are set aside as NUL, which no text of Postgres holds.
    """
    kind = column.type
    if not (pa.types.is_string(kind) or pa.types.is_binary(kind)):
        return column
    column = column.cast(pa.binary())
    if not pc.any(pc.match_substring(column, b"\\")).as_py():
        return column.cast(kind, safe=False)
    for escape, character in ESCAPES.items():
        column = pc.replace_substring(column, escape, character)
    return pc.replace_substring(column, b"\x00", b"\\").cast(kind, safe=False)


class PostgresRows:
    """Rows of typed columns; as Python objects they have the values that psycopg2 would give."""

    kind: Literal["columns"] = "columns"

    def __init__(self, row_format: RowFormat, table: Any) -> None:
        self._format = row_format
        self._table = table

    def table(self) -> Any:
        """Return the rows as an Arrow table of the columns and ``ROW_NUMBER``."""
        return self._table

    def first(self, count: int) -> "PostgresRows":
        """Return the first rows."""
        return PostgresRows(self._format, self._table.slice(0, count))

    def rows_at(self, indices: Sequence[int]) -> Iterator[DeliveredRow]:
        """Yield the rows at these places; a value that Python cannot hold breaks its own row."""
        chosen = self._table.take(whole_numbers(indices))
        try:
            yield from list(self._rows_of(chosen))
        except (ValueError, OverflowError, psycopg2.Error):
            for index in range(chosen.num_rows):
                yield self._row_of(chosen.slice(index, 1))

    def _rows_of(self, table: Any) -> Iterator[DeliveredRow]:
        names = self._format.names
        columns = map(_values, table.columns, self._format.casters)
        numbers = table[ROW_NUMBER].to_pylist()
        for number, values in zip(numbers, zip(*columns, strict=True), strict=True):
            yield number, dict(zip(names, values, strict=True))

    def _row_of(self, table: Any) -> DeliveredRow:
        try:
            [row] = self._rows_of(table)
        except (ValueError, OverflowError, psycopg2.Error) as error:
            text = str(table.drop_columns([ROW_NUMBER]).cast(_bytes_of(table)).to_pylist())
            is_encoding = isinstance(error, UnicodeError)
            reason = Reason.INVALID_ENCODING if is_encoding else Reason.UNREADABLE_ROW
            detail = f"a value that cannot be read: {error}".replace("\x00", "")
            return table[ROW_NUMBER][0].as_py(), Unreadable(reason, detail, text)
        return row


def _values(column: Any, caster: Callable[[str], Any] | None) -> list[Any]:
    values: list[Any] = column.to_pylist()
    if pa.types.is_binary(column.type):
        values = [None if value is None else value.decode() for value in values]
    if caster is None:
        return values
    return [None if value is None else caster(value) for value in values]


def _bytes_of(table: Any) -> Any:
    """Return the schema in which all text is bytes, whatever is in it."""
    return pa.schema(
        [
            field.with_type(pa.binary()) if pa.types.is_string(field.type) else field
            for field in table.schema
            if field.name != ROW_NUMBER
        ]
    )


class RowTooLarge(Exception):  # noqa: N818 - what it says
    """A row that would not fit into bounded memory."""


def copied_out(connection: Any, statement: str) -> Iterator[bytes]:
    """Yield what a ``COPY`` gives in text, some whole rows at a time, while it runs.

    A failure is raised where the rows end.
    """
    copying = _Copying(connection, statement)
    try:
        yield from copying.blocks()
    finally:
        copying.stop()


class _Copying(io.RawIOBase):
    """A ``COPY`` in a thread: psycopg2 pushes its rows, which wait here until they are pulled."""

    def __init__(self, connection: Any, statement: str) -> None:
        self._connection = connection
        self._statement = statement
        self._failure: BaseException | None = None
        self._is_over = False
        self._made: queue.Queue[bytes | None] = queue.Queue(1)
        self._thread = threading.Thread(target=self._copy, name="copy", daemon=True)
        self._thread.start()

    def blocks(self) -> Iterator[bytes]:
        """Yield whole rows as they come, and raise what broke on the way."""
        while (block := self._made.get()) is not None:
            yield block
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """End the statement, if it still runs, and the thread."""
        self._is_over = True
        if self._thread.is_alive():
            with suppress(psycopg2.Error):
                self._connection.cancel()
        while self._thread.is_alive():
            with suppress(queue.Empty):
                self._made.get_nowait()
            self._thread.join(0.01)

    def _copy(self) -> None:
        try:
            # One write is one row, which a buffer keeps whole.
            with io.BufferedWriter(self, BLOCK_BYTES) as rows, self._connection.cursor() as cursor:
                cursor.copy_expert(self._statement, rows)
        except BaseException as failure:  # noqa: BLE001 - it is raised in the thread that reads
            self._failure = failure
        self._made.put(None)

    def writable(self) -> bool:
        """Return that rows can be written."""
        return True

    def write(self, block: Any) -> int:
        """Take a block of rows, as soon as the one before has been pulled."""
        if self._is_over:
            raise BrokenPipeError
        if len(block) > MAX_ROW_BYTES:
            raise RowTooLarge
        self._made.put(bytes(block))
        return len(block)
