"""CSV as blocks of native rows, wherever a line is a row whatever stands around it.

Lines that are not, because a quoted cell goes on in the next one, or because they are broken, are
read by Python's reader, from where they begin to where their row ends.
"""

import csv
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from connectors import line_blocks
from connectors.arrow_arrays import from_flags, whole_numbers
from connectors.deliveries import ROW_NUMBER, Block, DeliveredRow, Unreadable
from connectors.json_rows import too_long, unreadable
from connectors.line_blocks import CutLine, Lines
from connectors.native_rows import Columns
from models.delivered import Reason

# Every quote of the line opens or closes a cell, or is doubled within one.
QUOTED_ROW = r'^([^",\r\n]*|"([^"\r\n]|"")*")(,([^",\r\n]*|"([^"\r\n]|"")*"))*\r?\n?$'


def csv_blocks(items: Iterator[Lines | CutLine]) -> Iterator[Block]:
    """Yield the rows below the header; a row has the number of its first line."""
    lines = _Place(items)
    rows = _PythonRows(lines)
    while rows.header is None and lines.is_before_a_line():
        if (row := rows.read()) is not None:
            yield Block([row])
    while lines.is_before_a_line():
        yield _block(lines, rows)


def _is_plain(lines: Lines | CutLine) -> Any:
    """Return which lines are rows by themselves; of blank lines it says nothing."""
    if isinstance(lines, CutLine):
        return np.zeros(1, bool)
    plain = np.diff(lines.offsets) <= line_blocks.MAX_LINE_BYTES
    plain[line_blocks.broken_lines(lines)] = False
    plain[line_blocks.lines_with(lines, b"\x00")] = False
    # Arrow takes it for the beginning of a file.
    plain[line_blocks.lines_with(lines, line_blocks.BYTE_ORDER_MARK)] = False
    if b'"' in lines.data or b"\r" in lines.data:
        binary = lines.strings.cast(pa.binary())
        plain &= from_flags(pc.match_substring_regex(binary, QUOTED_ROW))
    return plain


class _Place:
    """How far the lines of a file are read."""

    def __init__(self, items: Iterator[Lines | CutLine]) -> None:
        self._items = items
        self.part: Lines | CutLine | None = None
        self.count = 0
        self.index = 0

    def is_before_a_line(self) -> bool:
        """Return whether there is one more line, and make its part the present one."""
        while self.part is None or self.index >= self.count:
            self.part = next(self._items, None)
            if self.part is None:
                return False
            self.count = 1 if isinstance(self.part, CutLine) else len(self.part.strings)
            self.index = 0
        return True

    def take(self) -> tuple[int, bytes, bool]:
        """Return the number of the next line, the line, and whether it was cut."""
        index, part = self.index, self.part
        self.index += 1
        if isinstance(part, CutLine):
            return part.number, part.beginning + b"\n", True
        assert part is not None
        return part.first_number + index, part.line(index), False


class _PythonRows:
    """Rows that Python's reader reads, line by line; the first one is the header."""

    def __init__(self, lines: _Place) -> None:
        csv.field_size_limit(line_blocks.MAX_LINE_BYTES)
        self._lines = lines
        self._reader = csv.reader(self._texts(), strict=True)
        self._raw: list[bytes] = []
        self._size = 0
        self._number = 0
        self._trouble: Reason | None = None
        self._no_header = ""
        self.header: list[str] | None = None

    def _texts(self) -> Iterator[str]:
        while self._lines.is_before_a_line():
            number, line, is_cut = self._lines.take()
            self._number = self._number if self._raw else number
            self._raw.append(line)
            self._size += len(line)
            try:
                text = line.decode()
            except UnicodeDecodeError:
                text = line.decode("utf-8", "backslashreplace")
                self._trouble = Reason.INVALID_ENCODING
            if "\x00" in text:
                self._trouble = Reason.INVALID_ENCODING
            if is_cut or len(line) > line_blocks.MAX_LINE_BYTES:
                self._trouble = Reason.UNREADABLE_ROW
            if len(self._raw) > 1 and self._size > line_blocks.MAX_LINE_BYTES:
                # Each cell goes on in the next line, and the row never ends: this ends it.
                self._trouble, text = Reason.UNREADABLE_ROW, '"no delimiter'
            yield text

    def read(self) -> DeliveredRow | None:
        """Return the next row; None for a blank line and for the header."""
        self._raw, self._size, self._trouble = [], 0, None
        cells: list[str] = []
        error = ""
        try:
            cells = next(self._reader)
        except csv.Error as csv_error:
            error = f"not CSV: {csv_error}"
        raw = b"".join(self._raw)
        if not raw.strip() and self._trouble is None:
            return None
        if self.header is None:
            return self._read_header(cells, error, raw)
        if error or self._trouble or len(cells) != len(self.header):
            error = error or self._no_header or _ragged(len(cells), len(self.header))
            return self._number, _bad_row(raw, error, self._trouble)
        return self._number, dict(zip(self.header, cells, strict=True))

    def _read_header(self, cells: list[str], error: str, raw: bytes) -> DeliveredRow | None:
        self.header = cells
        problem = error or _problem_of_header(cells, self._trouble)
        if not problem:
            return None
        self.header, self._no_header = [], f"the first line is no header: {problem}"
        return self._number, _bad_row(raw, self._no_header, self._trouble)


def _block(lines: _Place, rows: _PythonRows) -> Block:
    """Return the rows from here to the end of the part, or of the row that goes beyond it."""
    part, begin, count = lines.part, lines.index, lines.count
    assert part is not None
    plain = _is_plain(part) if rows.header else np.zeros(count, bool)
    plain[:begin] = False
    read = []
    for index in (np.flatnonzero(~plain[begin:]) + begin).tolist():
        if lines.part is not part:
            break
        if index < lines.index:
            continue
        lines.index = index
        if (row := rows.read()) is not None:
            read.append(row)
        plain[index : lines.index if lines.part is part else count] = False
    if lines.part is part:
        lines.index = count
    if isinstance(part, CutLine):
        return Block(read)
    native, ragged = _native(rows.header or [], part, plain)
    return Block([*read, *ragged], native)


def _native(
    header: list[str], part: Lines, plain: Any
) -> tuple[Columns | None, list[DeliveredRow]]:
    """Return the plain lines of a part, and those of them with too many or too few cells."""
    plain[line_blocks.blank_lines(part)] = False
    if not plain.any():
        return None, []
    places = np.flatnonzero(plain)
    ragged: list[int] = []

    def leave_out(row: Any) -> str:
        # The first line of the data has the number 1.
        ragged.append(row.number - 1)
        return "skip"

    data = part.data if plain.all() else b"".join(map(part.line, places.tolist()))
    table = pa_csv.read_csv(
        pa.py_buffer(data),
        pa_csv.ReadOptions(column_names=header, use_threads=False, block_size=len(data) + 1),
        pa_csv.ParseOptions(ignore_empty_lines=False, invalid_row_handler=leave_out),
        pa_csv.ConvertOptions(
            check_utf8=False,
            strings_can_be_null=False,
            column_types=dict.fromkeys(header, pa.string()),
        ),
    )
    rows = [_ragged_row(part, int(index), header) for index in places[ragged]]
    numbers = part.first_number + np.delete(places, ragged)
    return Columns(table.append_column(ROW_NUMBER, whole_numbers(numbers))), rows


def _ragged_row(part: Lines, index: int, header: list[str]) -> DeliveredRow:
    line = part.line(index)
    [cells] = csv.reader([line.decode()], strict=True)
    problem = _ragged(len(cells), len(header))
    return part.first_number + index, unreadable(Reason.UNREADABLE_ROW, problem, line)


def _ragged(cell_count: int, column_count: int) -> str:
    return f"{cell_count} cells under {column_count} columns"


def _bad_row(raw: bytes, error: str, trouble: Reason | None) -> Unreadable:
    if trouble is Reason.INVALID_ENCODING:
        return unreadable(trouble, "not UTF-8, or a NUL character", raw)
    if trouble is not None:
        return too_long(raw)
    return unreadable(Reason.UNREADABLE_ROW, error, raw[: line_blocks.MAX_LINE_BYTES])


def _problem_of_header(header: list[str], trouble: Reason | None) -> str | None:
    """Say why a line is no header: it is the only way to notice that a file has none."""
    if trouble is not None:
        return "it is too long, or not UTF-8"
    if not all(name.strip() for name in header):
        return "a column has no name"
    if header[0].lstrip().startswith("{"):
        return "it is JSON"
    if len(set(header)) < len(header):
        return "two columns have the same name"
    # A usage or cost row always holds a number and a time; a header never does.
    for name in header:
        if re.fullmatch(r"[+-]?[0-9.]+([eE][+-]?\d+)?|\d{4}-\d\d-\d\d[T ].*", name.strip()):
            return f"{name!r} is a value"
    return None
