"""Usage rows as bytes, in the formats that the product's systems write.

The bytes are the same at every run: no file carries the time at which it was written.
"""

import csv
import gzip
import io
from collections.abc import Iterable
from datetime import UTC
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from sandbox.company.records import Broken, Measurement, Row, moment_of, timestamp

CSV_COLUMNS = ("id", "timestamp", "tenant_id", "dimension_id", "value", "metadata", "corrects")

STANDARD_NAMES = {
    "id": "id",
    "timestamp": "timestamp",
    "tenant_id": "tenant_id",
    "dimension_id": "dimension_id",
    "value": "value",
}
CAMEL_CASE_NAMES = {
    "id": "id",
    "timestamp": "timestamp",
    "tenant_id": "customerId",
    "dimension_id": "dimensionId",
    "value": "recordValue",
}

PARQUET_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("timestamp", pa.timestamp("ms", tz="UTC")),
        ("tenant_id", pa.string()),
        ("dimension_id", pa.string()),
        ("value", pa.decimal128(38, 9)),
        ("metadata", pa.string()),
        ("corrects", pa.string()),
    ]
)


def gzipped(data: bytes) -> bytes:
    """Return a gzip file without a time in its header."""
    return gzip.compress(data, compresslevel=6, mtime=0)


def zstandard_compressed(data: bytes) -> bytes:
    """Return a zstd frame."""
    return zstandard.ZstdCompressor(level=3).compress(data)


def json_lines(rows: Iterable[Row], names: dict[str, str]) -> bytes:
    """Return JSON lines with the fields called so; values are text, as money should be."""
    head = f'{{"{names["id"]}":"'
    at, tenant, dimension, value = (
        f'","{names[name]}":"' for name in ("timestamp", "tenant_id", "dimension_id", "value")
    )
    lines = []
    for row in rows:
        if isinstance(row, Measurement):
            corrects = f',"corrects":"{row.corrects}"' if row.corrects else ""
            lines.append(
                f"{head}{row.record_id}{at}{timestamp(row.at)}{tenant}{row.tenant_id}{dimension}"
                f'{row.dimension_id}{value}{row.value}","metadata":{row.metadata}{corrects}}}'.encode()
            )
        else:
            lines.append(_bytes_of(row))
    return b"\n".join(lines) + b"\n"


def csv_file(rows: Iterable[Row]) -> bytes:
    """Return CSV with a header; metadata is a JSON object in its cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in rows:
        if isinstance(row, Measurement):
            writer.writerow(
                (
                    row.record_id,
                    timestamp(row.at),
                    row.tenant_id,
                    row.dimension_id,
                    row.value,
                    row.metadata,
                    row.corrects or "",
                )
            )
        else:
            text.write(_bytes_of(row).decode() + "\n")
    return text.getvalue().encode()


def parquet_file(rows: Iterable[Row]) -> bytes:
    """Return a Parquet file; a record broken by its fields has nulls in their place."""
    records = [_record_of(row) for row in rows]
    table = pa.table(
        {
            "id": [record.record_id for record in records],
            "timestamp": [moment_of(record.at).astimezone(UTC) for record in records],
            "tenant_id": [record.tenant_id or None for record in records],
            "dimension_id": [record.dimension_id for record in records],
            "value": [Decimal(record.value) for record in records],
            "metadata": [record.metadata for record in records],
            "corrects": [record.corrects for record in records],
        },
        schema=PARQUET_SCHEMA,
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def cut_after(data: bytes, lines: int) -> bytes:
    """Return the gzip file of some JSON lines as a crashed writer leaves it.

    What comes before the break is flushed, so that every reader finds exactly that many lines.
    """
    whole = data.split(b"\n")
    buffer = io.BytesIO()
    writer = gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0)
    writer.write(b"\n".join(whole[:lines]) + b"\n")
    writer.flush()
    kept = len(buffer.getvalue())
    writer.write(b"\n".join(whole[lines:]))
    writer.close()
    return buffer.getvalue()[: kept + 12]


def _bytes_of(row: Broken) -> bytes:
    assert isinstance(row.content, bytes), "a text format holds a broken row as bytes"
    return row.content


def _record_of(row: Row) -> Measurement:
    if isinstance(row, Measurement):
        return row
    assert isinstance(row.content, Measurement), "a typed format holds a broken row as a record"
    return row.content
