"""Rows in native memory, and how single ones of them become Python objects."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from connectors.arrow_arrays import whole_numbers
from connectors.deliveries import LINE, ROW_NUMBER, DeliveredRow, Unreadable
from connectors.json_rows import json_row
from models.delivered import Reason
from models.exact_json import storable

PYTHON_ROWS = 5_000


class JsonLines:
    """Lines of JSON, each with its number; all are UTF-8 and none is blank."""

    kind: Literal["json"] = "json"

    def __init__(self, numbers: Any, lines: Any) -> None:
        self._table = pa.table({ROW_NUMBER: numbers, LINE: lines})

    def table(self) -> Any:
        """Return the lines as an Arrow table of ``ROW_NUMBER`` and ``LINE``."""
        return self._table

    def rows_at(self, indices: Sequence[int]) -> Iterator[DeliveredRow]:
        """Yield the rows at these places."""
        for chosen in _some_at_a_time(self._table, indices):
            lines = chosen[LINE].cast(pa.binary()).to_pylist()
            for number, line in zip(chosen[ROW_NUMBER].to_pylist(), lines, strict=True):
                yield number, json_row(line.strip())


class Columns:
    """Rows of typed columns under their delivered names, and their numbers."""

    kind: Literal["columns"] = "columns"

    def __init__(self, table: Any) -> None:
        self._table = pa.table(
            [_readable(column) for column in table.columns], names=table.column_names
        )

    def table(self) -> Any:
        """Return the rows as an Arrow table of ``ROW_NUMBER`` and the columns."""
        return self._table

    def rows_at(self, indices: Sequence[int]) -> Iterator[DeliveredRow]:
        """Yield the rows at these places; a value that Python cannot hold breaks its own row."""
        for chosen in _some_at_a_time(self._table, indices):
            try:
                yield from list(_rows_of(chosen))
            except (ValueError, OverflowError):
                for index in range(chosen.num_rows):
                    yield _row_of(chosen.slice(index, 1))


def _some_at_a_time(table: Any, indices: Sequence[int]) -> Iterator[Any]:
    """Yield the rows at these places, so many at a time as may become Python objects at once."""
    for start in range(0, len(indices), PYTHON_ROWS):
        yield table.take(whole_numbers(indices[start : start + PYTHON_ROWS]))


def numbered(table: Any, first_number: int) -> Any:
    """Return a table with its rows numbered one after the other."""
    numbers = np.arange(first_number, first_number + table.num_rows, dtype=np.int64)
    return table.append_column(ROW_NUMBER, whole_numbers(numbers))


def _readable(column: Any) -> Any:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _readable(column.cast(kind.value_type))
    if pa.types.is_timestamp(kind):
        return _microseconds(column)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return text_or_bytes(column)
    return column


def _microseconds(column: Any) -> Any:
    """Return times in microseconds; as they are where they would overflow, which Python notices."""
    try:
        # Beyond microseconds is cut off, as it is in text.
        return column.cast(pa.timestamp("us", tz=column.type.tz), safe=column.type.unit != "ns")
    except pa.ArrowInvalid:
        return column


def text_or_bytes(column: Any) -> Any:
    """Return text as such, or as bytes where it is not UTF-8: Arrow takes anybody's word."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return column.cast(pa.binary())
    return column


def _rows_of(table: Any) -> Iterator[DeliveredRow]:
    names = table.column_names
    place = names.index(ROW_NUMBER)
    for values in zip(*map(_python_values, table.columns), strict=True):
        row = dict(zip(names, values, strict=True))
        del row[ROW_NUMBER]
        yield values[place], row


def _row_of(table: Any) -> DeliveredRow:
    try:
        [row] = _rows_of(table)
    except (ValueError, OverflowError) as error:
        number = table[ROW_NUMBER][0].as_py()
        detail = storable(f"a value that cannot be read: {error}")
        return number, Unreadable(Reason.UNREADABLE_ROW, detail, storable(str(table.slice(0, 1))))
    return row


def _python_values(column: Any) -> list[Any]:
    """Return a column's values: decimals exact, times as datetimes, maps as dicts."""
    values: list[Any] = column.to_pylist()
    if pa.types.is_map(column.type):
        return [None if value is None else dict(value) for value in values]
    return values
