"""Rows of files: JSON lines, CSV and Parquet; plain, gzip or zstd; in bounded memory.

What cannot be read becomes an ``Unreadable`` row in its place, and the rows around it still come:
a file that breaks off yields what lies before the break, and row 0 that says where it broke.
"""

import csv
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any, Literal, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.compression import BrokenCompression, decompressed
from connectors.deliveries import DeliveredRow, Unreadable
from models.delivered import Reason
from models.exact_json import read_json, storable

FileFormat = Literal["jsonl", "csv", "parquet"]

MAX_LINE_BYTES = 4 * 1024 * 1024
SHOWN_CHARACTERS = 1_000
CHUNK_BYTES = 1024 * 1024
PARQUET_BATCH_ROWS = 10_000
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

SUFFIXES: dict[str, FileFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}
COMPRESSED_SUFFIXES = {".gz", ".zst"}


class BrokenParquet(ValueError):  # noqa: N818 - what happened, in the words of the message
    """A Parquet file that is damaged or not whole."""


class Readable(Protocol):
    """A stream of bytes; ``read(n)`` returns at most n, and nothing at the end."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""


def format_of(name: str) -> FileFormat | None:
    """Return the format that a file's name tells, or None."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    if suffixes and suffixes[-1] in COMPRESSED_SUFFIXES:
        suffixes.pop()
    return SUFFIXES.get(suffixes[-1]) if suffixes else None


def read_rows(stream: Readable, file_format: FileFormat) -> Iterator[DeliveredRow]:
    """Yield every row of a file; the compression is told from its first bytes."""
    readers: dict[str, Callable[[Iterator[bytes]], Iterator[DeliveredRow]]] = {
        "jsonl": _json_rows,
        "csv": _csv_rows,
        "parquet": _parquet_rows,
    }
    last_row = 0
    try:
        for row_number, row in readers[file_format](decompressed(_chunks(stream))):
            yield row_number, row
            last_row = row_number
    except (BrokenCompression, BrokenParquet) as broken:
        yield _broken(f"{broken} after row {last_row}")


def _broken(detail: str) -> DeliveredRow:
    return 0, Unreadable(Reason.UNREADABLE_FILE, storable(detail)[:SHOWN_CHARACTERS], "")


def _chunks(stream: Readable) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def _lines(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    r"""Yield every line with its end, and whether it was cut for its length.

    Lines end at ``\n`` only: U+2028 and the like are data.
    """
    rest, is_first, is_cut = b"", True, False
    for chunk in chunks:
        lines = (rest + chunk).split(b"\n")
        if is_first and len(lines[0]) >= len(BYTE_ORDER_MARK):
            lines[0] = lines[0].removeprefix(BYTE_ORDER_MARK)
            is_first = False
        rest = lines.pop()
        for line in lines:
            yield line[:MAX_LINE_BYTES] + b"\n", is_cut or len(line) > MAX_LINE_BYTES
            is_cut = False
        if len(rest) > MAX_LINE_BYTES:
            rest, is_cut = rest[:MAX_LINE_BYTES], True
    if rest:
        yield rest, is_cut


def _json_rows(chunks: Iterator[bytes]) -> Iterator[DeliveredRow]:
    for row_number, (line, is_cut) in enumerate(_lines(chunks), start=1):
        text = line.strip()
        if text:
            yield row_number, _too_long(text) if is_cut else _json_row(text)


def _json_row(line: bytes) -> dict[str, Any] | Unreadable:
    try:
        row = read_json(line.decode())
    except UnicodeDecodeError as error:
        return _unreadable(Reason.INVALID_ENCODING, f"not UTF-8: {error.reason}", line)
    except ValueError as error:
        return _unreadable(Reason.UNREADABLE_ROW, f"not JSON: {error}", line)
    if not isinstance(row, dict):
        return _unreadable(Reason.UNREADABLE_ROW, "not a JSON object", line)
    return row


def _unreadable(reason: Reason, detail: str, line: bytes) -> Unreadable:
    return Unreadable(reason, storable(detail), storable(line.decode("utf-8", "backslashreplace")))


def _too_long(line: bytes) -> Unreadable:
    detail = f"the line is longer than {MAX_LINE_BYTES} bytes; its beginning is kept"
    return _unreadable(Reason.UNREADABLE_ROW, detail, line[:SHOWN_CHARACTERS])


class _CsvLines:
    """Lines of text for ``csv.reader``, with the raw lines of the row that is being read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._lines = _lines(chunks)
        self.pending: list[bytes] = []
        self.first_line_number = 1
        self.trouble: Reason | None = None

    def __iter__(self) -> Iterator[str]:
        for line, is_cut in self._lines:
            self.pending.append(line)
            try:
                text = line.decode()
            except UnicodeDecodeError:
                text = line.decode("utf-8", "backslashreplace")
                self.trouble = Reason.INVALID_ENCODING
            if "\x00" in text:
                self.trouble = Reason.INVALID_ENCODING
            if is_cut:
                self.trouble = Reason.UNREADABLE_ROW
            yield text

    def take(self) -> tuple[int, bytes, Reason | None]:
        """Return the first line number, raw text and trouble of the row just read."""
        taken = self.first_line_number, b"".join(self.pending), self.trouble
        self.first_line_number += len(self.pending)
        self.pending, self.trouble = [], None
        return taken


def _csv_rows(chunks: Iterator[bytes]) -> Iterator[DeliveredRow]:
    csv.field_size_limit(MAX_LINE_BYTES)
    lines = _CsvLines(chunks)
    reader = csv.reader(lines, strict=True)
    header: list[str] | None = None
    no_header = ""
    while True:
        try:
            cells, error = next(reader), ""
        except StopIteration:
            return
        except csv.Error as csv_error:
            cells, error = [], f"not CSV: {csv_error}"
        row_number, raw, trouble = lines.take()
        if not raw.strip():
            continue
        if header is None:
            header = cells
            if problem := error or _problem_of_header(header, trouble):
                header, no_header = [], f"the first line is no header: {problem}"
                yield row_number, _bad_csv_row(raw, no_header, trouble)
        elif error or trouble or len(cells) != len(header):
            error = error or no_header or f"{len(cells)} cells under {len(header)} columns"
            yield row_number, _bad_csv_row(raw, error, trouble)
        else:
            yield row_number, dict(zip(header, cells, strict=True))


def _bad_csv_row(raw: bytes, error: str, trouble: Reason | None) -> Unreadable:
    if trouble is Reason.INVALID_ENCODING:
        return _unreadable(trouble, "not UTF-8, or a NUL character", raw)
    if trouble is not None:
        return _too_long(raw)
    return _unreadable(Reason.UNREADABLE_ROW, error, raw[:MAX_LINE_BYTES])


def _problem_of_header(header: list[str], trouble: Reason | None) -> str | None:
    """Say why a line is no header: it is the only way to notice that a file has none."""
    if trouble is not None:
        return "it is too long, or not UTF-8"
    if not all(name.strip() for name in header):
        return "a column has no name"
    if len(set(header)) < len(header):
        return "two columns have the same name"
    # A usage or cost row always holds a number and a time; a header never does.
    for name in header:
        if re.fullmatch(r"[+-]?[0-9.]+([eE][+-]?\d+)?|\d{4}-\d\d-\d\d[T ].*", name.strip()):
            return f"{name!r} is a value"
    return None


def _parquet_rows(chunks: Iterator[bytes]) -> Iterator[DeliveredRow]:
    # Parquet is read from its end, so the bytes go to a file first, never into memory.
    with tempfile.TemporaryFile() as file:
        for chunk in chunks:
            file.write(chunk)
        file.seek(0)
        row_number = 0
        for batch in _parquet_batches(file):
            columns = [_python_values(column) for column in batch.columns]
            for values in zip(*columns, strict=True):
                row_number += 1
                yield row_number, dict(zip(batch.schema.names, values, strict=True))


def _parquet_batches(file: Any) -> Iterator[Any]:
    # Only what pyarrow raises itself counts as damage: a full disk is not the file's fault.
    try:
        parquet = pq.ParquetFile(file, coerce_int96_timestamp_unit="us")
        yield from parquet.iter_batches(batch_size=PARQUET_BATCH_ROWS)
    except (pa.ArrowException, OSError) as error:
        raise BrokenParquet(f"the Parquet file is damaged or not whole ({error})") from error


def _python_values(column: Any) -> list[Any]:
    """Return a column's values: decimals exact, times as datetimes, maps as dicts."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        # Beyond microseconds is cut off, as it is in text.
        column = column.cast(pa.timestamp("us", tz=kind.tz), safe=False)
    values: list[Any] = column.to_pylist()
    if pa.types.is_map(kind):
        return [None if value is None else dict(value) for value in values]
    return values
