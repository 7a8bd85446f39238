"""Usage records for measurements: the same ones for the same shape, on every machine.

Tenants are drawn by Zipf's law, ids are random UUIDs, some records are late and some come twice.
Every digit is taken from an MD5 sum of seed and number, so that no version of a library changes it.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import duckdb

FileFormat = Literal["parquet", "jsonl.gz", "csv"]

START = datetime(2026, 10, 1, tzinfo=UTC)
LATE_PERCENT = 1
LATE_DAYS = 7
REDELIVERED_PERCENT = 3
# Part of the name of every data set, so that files of another generator are not taken for its own.
GENERATION = 1

OPTIONS: dict[FileFormat, str] = {
    "parquet": "format parquet",
    "jsonl.gz": "format json, compression gzip",
    "csv": "format csv, header",
}
# What a source writes differs by format: Parquet has types, JSON numbers, CSV only text.
TIMESTAMP: dict[FileFormat, str] = {
    "parquet": "occurred_at::timestamptz",
    "jsonl.gz": "strftime(occurred_at, '%Y-%m-%dT%H:%M:%S.%gZ')",
    "csv": "strftime(occurred_at, '%Y-%m-%dT%H:%M:%S.%gZ')",
}
METADATA: dict[FileFormat, str] = {
    "parquet": "metadata",
    "jsonl.gz": "metadata::json",
    "csv": "metadata",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What a data set looks like; ``records`` are distinct ones, redeliveries come on top."""

    records: int
    batches: int = 31
    days: int = 31
    tenants: int = 2_000
    dimensions: int = 20
    metadata_keys: int = 3
    seed: int = 1

    @property
    def name(self) -> str:
        """A name that another shape does not have."""
        document = json.dumps({**asdict(self), "generation": GENERATION}, sort_keys=True)
        digest = hashlib.sha256(document.encode()).hexdigest()
        return f"{self.records}-in-{self.batches}-{digest[:8]}"

    @property
    def tenant_ids(self) -> list[str]:
        """Every tenant that records may name."""
        return [f"tenant-{number:05d}" for number in range(1, self.tenants + 1)]

    @property
    def dimension_ids(self) -> list[str]:
        """Every dimension that records may name."""
        return [f"dimension_{number:04d}" for number in range(self.dimensions)]


@dataclass(frozen=True, slots=True)
class Truth:
    """What any pipeline must find in a data set: counted where nothing is delivered twice."""

    delivered: int
    distinct: int
    total: Decimal


class Dataset:
    """The files of a shape below a directory, each written when it is first asked for."""

    def __init__(self, shape: Shape, directory: Path) -> None:
        self.shape = shape
        self.directory = directory / shape.name

    def files(self, file_format: FileFormat) -> list[Path]:
        """Return one file per batch, in the order of their delivery."""
        with _engine() as connection:
            return [
                self._file(connection, file_format, batch) for batch in range(self.shape.batches)
            ]

    def pattern(self, file_format: FileFormat) -> str:
        """Return the path, with a wildcard, that all the files have."""
        return str(self.directory / f"*.{file_format}")

    def table_rows(self) -> Path:
        """Return a CSV file, without header, of all rows for ``TABLE``, in the order they came."""
        file = self.directory / "table_rows.txt"
        if not file.exists():
            rows = " union all ".join(_batch(self.shape, b) for b in range(self.shape.batches))
            query = f"""
                select id, occurred_at::timestamptz, tenant_id, dimension_id, value, metadata,
                    {_arrival(self.shape)}::timestamptz as updated_at
                from ({rows})
                order by updated_at, id
            """
            with _engine() as connection:
                _write(connection, query, file, "format csv, header false")
        return file

    def distinct_records(self) -> Path:
        """Return a Parquet file of every record once: what a journal holds, for other engines."""
        file = self.directory / "distinct" / "records.parquet"
        if not file.exists():
            query = f"""
                select id, occurred_at::timestamptz as occurred_at, tenant_id, dimension_id, value
                from ({_records(self.shape, 0, self.shape.records)})
            """
            with _engine() as connection:
                _write(connection, query, file, "format parquet")
        return file

    def truth(self) -> Truth:
        """Return what must be found, from the numbers that the records are made of."""
        query = f"select count(*), sum(value) from ({_records(self.shape, 0, self.shape.records)})"
        delivered = " union all ".join(_batch(self.shape, b) for b in range(self.shape.batches))
        with _engine() as connection:
            distinct, total = _row(connection, query)
            (count,) = _row(connection, f"select count(*) from ({delivered})")
        return Truth(delivered=count, distinct=distinct, total=total)

    def _file(self, connection: Any, file_format: FileFormat, batch: int) -> Path:
        file = self.directory / f"{batch:02d}.{file_format}"
        if not file.exists():
            query = f"""
                select id, {TIMESTAMP[file_format]} as "timestamp", tenant_id, dimension_id, value,
                    {METADATA[file_format]} as metadata
                from ({_batch(self.shape, batch)})
                order by occurred_at, id
            """
            _write(connection, query, file, OPTIONS[file_format])
        return file


TABLE = """
    create table {name} (
        id text not null,
        occurred_at timestamptz not null,
        tenant_id text not null,
        dimension_id text not null,
        value numeric(18, 3) not null,
        metadata json,
        updated_at timestamptz not null
    )
"""


def batch_bounds(shape: Shape) -> Iterator[tuple[int, int]]:
    """Yield the numbers of the first record of each batch and of the first that is not in it."""
    for batch in range(shape.batches):
        yield (
            batch * shape.records // shape.batches,
            (batch + 1) * shape.records // shape.batches,
        )


def _batch(shape: Shape, batch: int) -> str:
    """Return the rows of a batch: its records, and what of the batch before comes again."""
    bounds = list(batch_bounds(shape))
    again = [f"select * from ({_records(shape, *bounds[batch])})"]
    if batch > 0:
        again.append(_redelivered(shape, *bounds[batch - 1]))
    if batch == shape.batches - 1:
        again.append(_redelivered(shape, *bounds[batch]))
    return " union all ".join(again)


def _redelivered(shape: Shape, first: int, end: int) -> str:
    return f"""
        select * from ({_records(shape, first, end)})
        where (digits // 700) % 100 < {REDELIVERED_PERCENT}
    """


def _records(shape: Shape, first: int, end: int) -> str:
    """Return the records of a range of numbers; ``digits`` are what is left of their sums."""
    return f"""
        select
            number,
            md5('id {shape.seed} ' || number)::uuid::varchar as id,
            make_timestamp({_micros(START)} + 86400000000 * day + 1000 * (low % 86400000)::bigint)
                as occurred_at,
            'tenant-' || lpad(floor(pow({shape.tenants + 1}, (high % 1048576) / 1048576.0))
                ::int::varchar, 5, '0') as tenant_id,
            'dimension_' || lpad(((high // 17592186044416) % {shape.dimensions})::varchar, 4, '0')
                as dimension_id,
            (((high // 1048576) % 10000000) / 1000.0)::decimal(18, 3)
                as value,
            {_metadata(shape)} as metadata,
            digits
        from (
            select
                *,
                low // 86400000 as digits,
                case
                    when (low // 86400000) % 100 < {LATE_PERCENT}
                        then greatest(0, arrival_day - 1 - ((low // 8640000000) % {LATE_DAYS}))
                    else arrival_day
                end::bigint as day
            from (
                select
                    range as number,
                    range * {shape.days} // {shape.records} as arrival_day,
                    md5_number_lower('row {shape.seed} ' || range) as low,
                    md5_number_upper('row {shape.seed} ' || range) as high
                from range({first}, {end})
            )
        )
    """


def _metadata(shape: Shape) -> str:
    """Return the JSON text of a record's metadata: region, size, user, and what fills it up."""
    values = [
        ("region", "['eu-west-1', 'us-east-1', 'ap-south-1'][1 + (digits % 3)::int]"),
        ("size", "['s', 'm', 'l', 'xl'][1 + ((digits // 3) % 4)::int]"),
        ("user", "'u' || ((digits // 12) % 50000)"),
    ]
    values += [
        (f"key_{key:02d}", f"'v' || ((digits // {key}) % 1000)")
        for key in range(4, shape.metadata_keys + 1)
    ]
    pairs = [f"""'"{name}":"' || {value} || '"'""" for name, value in values]
    return "'{' || " + " || ',' || ".join(pairs[: shape.metadata_keys]) + " || '}'"


def _arrival(shape: Shape) -> str:
    span = shape.days * 86_400_000_000
    return f"make_timestamp({_micros(START)} + (number * {span} // {shape.records})::bigint)"


def _micros(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def _engine() -> Any:
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
    return connection


def _row(connection: Any, query: str) -> tuple[Any, ...]:
    return tuple(connection.execute(query).fetchone())


def _write(connection: Any, query: str, file: Path, options: str) -> None:
    """Write the result of a query to a file: all of it, or no file of this name."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.draft")
    connection.execute(f"copy ({query}) to '{draft}' ({options})")
    draft.replace(file)
