"""Files of usage records for people and programs: CSV, JSON lines or Parquet, by their suffix."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from itertools import islice
from pathlib import Path
from typing import Any

ROWS_AT_ONCE = 50_000
COLUMNS = (
    "invoice_line_id",
    "source",
    "object",
    "row_number",
    "record_id",
    "tenant_id",
    "dimension_id",
    "occurred_at",
    "value",
    "sign",
    "is_reversal",
    "is_earlier",
    "metadata",
)

Records = Iterable[Mapping[str, Any]]


class RecordFileError(ValueError):
    """A file that cannot be written."""


def write_records(path: Path, records: Records) -> None:
    """Write records into a file, all or none; what was there is replaced.

    Values are exact: numbers of 9 decimals in Parquet, text in the others.
    """
    writers = {".csv": _write_csv, ".jsonl": _write_jsonl, ".parquet": _write_parquet}
    write = writers.get(path.suffix.lower())
    if write is None:
        raise RecordFileError(
            f"{path}: expected a name that ends with {', '.join(writers)}, which says the format"
        )
    partial = path.with_name(f".{path.name}.partial")
    try:
        write(partial, records)
        partial.replace(path)
    except OSError as error:
        raise RecordFileError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)


def _write_csv(path: Path, records: Records) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(map(_as_text, records))


def _write_jsonl(path: Path, records: Records) -> None:
    with path.open("w", encoding="utf-8") as file:
        for record in map(_as_text, records):
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def _write_parquet(path: Path, records: Records) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {
        "row_number": pa.int64(),
        "occurred_at": pa.timestamp("us", tz="UTC"),
        "value": pa.decimal128(38, 9),
        "sign": pa.int16(),
        "is_reversal": pa.bool_(),
        "is_earlier": pa.bool_(),
    }
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])
    with pq.ParquetWriter(path, schema) as writer:
        for some in _chunks(records):
            writer.write_table(pa.Table.from_pylist(some, schema))


def _chunks(records: Records) -> Iterator[Sequence[dict[str, Any]]]:
    """Yield records some at a time, so that no file has to fit into memory."""
    rows = iter(records)
    while some := [dict(record) for record in islice(rows, ROWS_AT_ONCE)]:
        yield some


def _as_text(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record as text formats have it: an instant in UTC, a number with all its digits."""
    occurred_at = record["occurred_at"].astimezone(UTC).isoformat()
    return {**record, "occurred_at": occurred_at, "value": f"{record['value']:f}"}
