"""Rows of files: JSON lines, CSV and Parquet; plain, gzip or zstd; in bounded memory.

What cannot be read becomes an ``Unreadable`` row in its place, and the rows around it still come:
a file that breaks off yields what lies before the break, and row 0 that says where it broke.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from connectors import line_blocks
from connectors.arrow_arrays import whole_numbers
from connectors.compression import BrokenCompression, decompressed
from connectors.csv_blocks import csv_blocks
from connectors.deliveries import Block, DeliveredRow, Unreadable
from connectors.json_rows import SHOWN_CHARACTERS, json_row, too_long
from connectors.line_blocks import CutLine, Lines
from connectors.native_rows import Columns, JsonLines, numbered
from connectors.parquet_dictionaries import rows_within
from models.delivered import Reason
from models.exact_json import storable

FileFormat = Literal["jsonl", "csv", "parquet"]

CHUNK_BYTES = 1024 * 1024
PARQUET_MAGIC = b"PAR1"
PARQUET_BATCH_ROWS = 1_000
PARQUET_TABLE_ROWS = 50_000

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
    """Yield every row of a file as a Python object."""
    for block in read_blocks(stream, file_format):
        yield from block.left()


def read_blocks(stream: Readable, file_format: FileFormat) -> Iterator[Block]:
    """Yield every row of a file by the block; the compression is told from its first bytes."""
    readers: dict[str, Callable[[Iterator[bytes]], Iterator[Block]]] = {
        "jsonl": _json_blocks,
        "csv": lambda chunks: csv_blocks(line_blocks.line_blocks(chunks)),
        "parquet": _parquet_blocks,
    }
    last_row = 0
    try:
        for block in readers[file_format](decompressed(_chunks(stream))):
            yield block
            last_row = max(last_row, block.last_number())
    except (BrokenCompression, BrokenParquet) as broken:
        place = f" after row {last_row}" if last_row else ""
        yield Block([_broken(f"{broken}{place}")])


def _broken(detail: str) -> DeliveredRow:
    return 0, Unreadable(Reason.UNREADABLE_FILE, storable(detail)[:SHOWN_CHARACTERS], "")


def _chunks(stream: Readable) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def _json_blocks(chunks: Iterator[bytes]) -> Iterator[Block]:
    for item in line_blocks.line_blocks(chunks):
        if isinstance(item, CutLine):
            yield Block([(item.number, too_long(item.beginning))])
        else:
            yield _json_block(item)


def _json_block(lines: Lines) -> Block:
    is_long = np.diff(lines.offsets) > line_blocks.MAX_LINE_BYTES
    is_native = ~is_long
    blank = line_blocks.blank_lines(lines)
    odd = {
        *np.flatnonzero(is_long).tolist(),
        *line_blocks.broken_lines(lines),
        # DuckDB's texts may hold NUL, those of Postgres may not.
        *line_blocks.lines_with(lines, b"\\u0000"),
    } - set(blank.tolist())
    rows: list[DeliveredRow] = []
    for index in sorted(odd):
        line = lines.line(index).strip()
        rows.append(
            (lines.first_number + index, too_long(line) if is_long[index] else json_row(line))
        )
    is_native[[*blank, *odd]] = False
    places = np.flatnonzero(is_native)
    strings = lines.strings if is_native.all() else lines.strings.take(whole_numbers(places))
    return Block(rows, JsonLines(whole_numbers(places + lines.first_number), strings))


def _parquet_blocks(chunks: Iterator[bytes]) -> Iterator[Block]:
    # Parquet is read from its end, so the bytes go to a file first, never into memory.
    with tempfile.TemporaryFile() as file:
        for chunk in _begun_as_parquet(chunks):
            file.write(chunk)
        file.seek(0)
        number = 1
        for table in _parquet_tables(file):
            yield Block(native=Columns(numbered(table, number)))
            number += table.num_rows


def _begun_as_parquet(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a file that may be Parquet; one of something else, however large, is not kept."""
    begin = b""
    for chunk in chunks:
        if len(begin) < len(PARQUET_MAGIC):
            begin = (begin + chunk)[: len(PARQUET_MAGIC)]
            if not PARQUET_MAGIC.startswith(begin):
                raise BrokenParquet("it does not begin as Parquet does: say its `format`")
        yield chunk


def _parquet_tables(file: Any) -> Iterator[Any]:
    """Yield the rows in tables of about the size of a block of lines.

    How large rows are shows only when they are there: a file may say the same value a million times
    in a few bytes. So they are read a few at a time, and put together.
    """
    batches: list[Any] = []
    row_count, size = 0, 0
    broken: BrokenParquet | None = None
    try:
        for batch in _parquet_batches(file):
            batches.append(batch)
            row_count, size = row_count + batch.num_rows, size + batch.nbytes
            if size >= line_blocks.BLOCK_BYTES or row_count >= PARQUET_TABLE_ROWS:
                yield pa.Table.from_batches(batches)
                batches, row_count, size = [], 0, 0
    except BrokenParquet as error:
        broken = error
    if batches:
        yield pa.Table.from_batches(batches)
    if broken is not None:
        raise broken


def _parquet_batches(file: Any) -> Iterator[Any]:
    # Only what pyarrow raises itself counts as damage: a full disk is not the file's fault.
    try:
        parquet = pq.ParquetFile(file, coerce_int96_timestamp_unit="us", buffer_size=CHUNK_BYTES)
        rows = _batch_rows(parquet.metadata)
        for groups in _group_runs(parquet.metadata, rows):
            fitting = rows_within(file, parquet.metadata, groups, rows, line_blocks.BLOCK_BYTES)
            # Arrow keeps what it read of the groups that it is given, until it is through.
            yield from parquet.iter_batches(batch_size=fitting, row_groups=groups)
    except (pa.ArrowException, OSError) as error:
        raise BrokenParquet(f"the Parquet file is damaged or not whole ({error})") from error


def _batch_rows(metadata: Any) -> int:
    """Return how many rows make up a block of about the size of one of lines."""
    groups = range(metadata.num_row_groups)
    size: int = sum(metadata.row_group(index).total_byte_size for index in groups)
    if not metadata.num_rows or size <= line_blocks.BLOCK_BYTES:
        return PARQUET_BATCH_ROWS
    fitting = line_blocks.BLOCK_BYTES * int(metadata.num_rows) // size
    return max(1, min(PARQUET_BATCH_ROWS, fitting))


def _group_runs(metadata: Any, rows: int) -> Iterator[list[int]]:
    """Yield row groups one after the other, small ones as many as fill a batch."""
    run: list[int] = []
    count = 0
    for index in range(metadata.num_row_groups):
        run.append(index)
        count += metadata.row_group(index).num_rows
        if count >= rows:
            yield run
            run, count = [], 0
    if run:
        yield run
