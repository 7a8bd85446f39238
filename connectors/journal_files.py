"""Journal entries in Parquet files: written from a query, read back into a table.

Every column keeps its type and each of its digits. Both ways rows go by the block, so that the size
of a file does not matter.
"""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from sqlalchemy import Connection

BLOCK_BYTES = 16 * 1024 * 1024
BATCH_ROWS = 50_000
SCHEMA = pa.schema(
    [
        ("occurred_at", pa.timestamp("us", tz="UTC")),
        ("record_key", pa.string()),
        ("delivery_id", pa.int32()),
        ("row_number", pa.int32()),
        ("build_number", pa.int32()),
        ("sign", pa.int16()),
        ("is_reversal", pa.bool_()),
        ("tenant_id", pa.string()),
        ("dimension_id", pa.string()),
        ("value", pa.decimal128(38, 9)),
        ("record_id", pa.string()),
        ("metadata", pa.string()),
        ("corrects_key", pa.string()),
    ]
)
COLUMNS = tuple(SCHEMA.names)
# An instant travels as microseconds since 1970: of a time written out, the readers disagree.
_DELIVERED = {
    name: pa.int64() if name == "occurred_at" else SCHEMA.field(name).type for name in COLUMNS
}
_SELECTED = ", ".join(
    "(extract(epoch from occurred_at) * 1000000)::bigint" if name == "occurred_at" else name
    for name in COLUMNS
)


class ArchiveFileError(RuntimeError):
    """A file of an archive cannot be read, or does not hold what was archived in it."""


def write_entries(connection: Connection, query: str, file: Path) -> int:
    """Write the entries that a query returns to a file, and return how many; it is on disk then."""
    with file.open("wb") as stream:
        with pq.ParquetWriter(stream, SCHEMA, compression="zstd") as writer:
            sink = _Sink(writer)
            statement = (
                f"copy (select {_SELECTED} from ({query}) as entries) to stdout (format csv)"  # noqa: S608
            )
            cursor: Any = connection.connection.cursor()
            with cursor:
                cursor.copy_expert(statement, sink)
            sink.finish()
        stream.flush()
        os.fsync(stream.fileno())
    return sink.row_count


def read_entries(connection: Connection, file: Path, table: str) -> None:
    """Append the entries of a file to a table that has the journal's columns."""
    try:
        with pq.ParquetFile(file) as source:
            chunks = _Chunks(_written(source))
            cursor: Any = connection.connection.cursor()
            with cursor:
                cursor.copy_expert(
                    f"copy {table} ({', '.join(COLUMNS)}) from stdin (format csv)", chunks
                )
    except (OSError, pa.ArrowException) as error:
        raise ArchiveFileError(f"{file} cannot be read: {error}") from error


class _Sink:
    """What ``COPY`` writes its rows into, each of them with one call.

    An error here would leave the connection in the midst of its rows, so it waits for their end.
    """

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self.row_count = 0
        self._writer = writer
        self._block = io.BytesIO()
        self._failure: Exception | None = None

    def write(self, row: bytes) -> int:
        """Take a row."""
        if self._failure is None:
            self._block.write(row)
            if self._block.tell() >= BLOCK_BYTES:
                try:
                    self._flush()
                except Exception as failure:  # noqa: BLE001 - raised by finish().
                    self._failure = failure
        return len(row)

    def finish(self) -> None:
        """Write what remains; raises what has failed."""
        if self._failure is not None:
            raise self._failure
        self._flush()

    def _flush(self) -> None:
        if not self._block.tell():
            return
        block = self._block.getvalue()
        self._block = io.BytesIO()
        delivered = pa_csv.read_csv(
            io.BytesIO(block),
            read_options=pa_csv.ReadOptions(
                column_names=list(COLUMNS), block_size=len(block) + 1, use_threads=False
            ),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True),
            # Postgres quotes the empty text, and leaves null without quotes.
            convert_options=pa_csv.ConvertOptions(
                column_types=_DELIVERED,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["t"],
                false_values=["f"],
            ),
        )
        self._writer.write_table(delivered.cast(SCHEMA))
        self.row_count += delivered.num_rows


def _written(source: pq.ParquetFile) -> Iterator[bytes]:
    for batch in source.iter_batches(BATCH_ROWS, columns=list(COLUMNS)):
        table = pa.Table.from_batches([batch])
        # Without its zone it is written as clocks in UTC show it, and so do all sessions of ours.
        instants = table["occurred_at"].cast(pa.timestamp("us")).cast(pa.string())
        buffer = io.BytesIO()
        pa_csv.write_csv(
            table.set_column(0, "occurred_at", instants),
            buffer,
            pa_csv.WriteOptions(include_header=False),
        )
        yield buffer.getvalue()


class _Chunks:
    """Chunks of bytes as the file that ``COPY`` reads."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes; none at the end."""
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        piece, self._rest = self._rest[:size], self._rest[size:]
        return bytes(piece)
