"""Files to landing: us, the server's own COPY, dlt, sling, pandas, and gzip alone."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.generator import Dataset, FileFormat, Shape
from benchmarks.measuring import Measured, Series, StepFailed, Way, run_step, side_by_side, timed
from benchmarks.progress import say
from benchmarks.report import Section, Verdict, fastest, ratio, table_of
from benchmarks.server import Server
from connectors.partitions import ensure_days
from connectors.warehouse import Warehouse
from models.tables import raw

OBJECTS = 4
SAMPLE_ROWS = 50_000
SLING_FORMATS: dict[FileFormat, str] = {"jsonl.gz": "jsonlines", "csv": "csv"}
TABLE = raw.usage_records.fullname


def run(bench: Bench) -> Section:
    """Measure goal 1, as far as files go."""
    dataset = bench.dataset(Shape(bench.sizes.landing_rows, batches=OBJECTS))
    rows = dataset.truth().delivered
    halves = export_landed(bench.server, dataset)
    series = side_by_side(_ways(bench, dataset, rows, halves), bench.sizes.runs, say)
    return _section(rows, series)


def _ways(bench: Bench, dataset: Dataset, rows: int, halves: Sequence[Path]) -> list[Way]:
    server = bench.server
    parquet = [str(file) for file in dataset.files("parquet")]

    def ours(file_format: FileFormat) -> Way:
        dataset.files(file_format)
        return Way(
            f"ours, {file_format}", rows, lambda: land(server, dataset.pattern(file_format), rows)
        )

    def dlt(loaded_as: str) -> Way:
        load = partial(in_database, server, "dlt_files", {"files": parquet, "loaded_as": loaded_as})
        return Way(f"dlt, parquet as arrow, loaded as {loaded_as}", rows, load)

    return [
        Way("COPY of csv", rows, lambda: copy(server, halves, at_once=1), "by the server, 1 core"),
        Way("COPY of csv, 2 at once", rows, lambda: copy(server, halves, at_once=2)),
        ours("parquet"),
        dlt("csv"),
        dlt("parquet"),
        Way("gzip -dc alone", rows, lambda: _gunzip(dataset)),
        ours("jsonl.gz"),
        _sling(server, dataset, "jsonl.gz", rows),
        ours("csv"),
        _sling(server, dataset, "csv", rows),
        _pandas(bench, dataset),
    ]


def _section(rows: int, series: dict[str, Series]) -> Section:
    copied = series["COPY of csv"]
    parquet, lines = series["ours, parquet"], series["ours, jsonl.gz"]
    dlt = fastest(one for name, one in series.items() if name.startswith("dlt"))
    sling, gunzip = series["sling, jsonl.gz"], series["gzip -dc alone"]
    both = series["COPY of csv, 2 at once"]
    # Unpacking and copying share the two processors; reading JSON would come on top.
    least = both.seconds + gunzip.seconds / 2
    return Section(
        "Files to landing",
        f"{rows:,} rows in {OBJECTS} files. COPY reads a file that the server itself wrote of what "
        "we landed, into the same table. Ours parses, checks, keys and books every record; the "
        "peers load the columns as they are. MiB: the most that the client's processes held.",
        [
            Verdict(1, "parquet, of COPY's rate", ratio(parquet, copied), "at least", 0.70),
            Verdict(1, "parquet, times dlt's best", ratio(parquet, dlt), "at least", 2),
            Verdict(1, "jsonl.gz, of gzip's rate", ratio(lines, gunzip), "at least", 0.60),
            Verdict(1, "jsonl.gz, times sling", ratio(lines, sling), "at least", 5),
        ],
        [table_of(series.values(), copied)],
        [
            "What nothing can pass that uses COPY on this machine: "
            f"{both.rate / dlt.rate:.2f} times dlt's best, as two COPYs at once; "
            f"{gunzip.seconds / least:.2f} of gzip's rate, as two COPYs and gzip on two "
            "processors, with nobody reading the JSON.",
        ],
    )


def land(server: Server, pattern: str, rows: int) -> Measured:
    """Land files into an empty landing table; anything but all of the rows is a failure."""
    with landing_table(server) as name:
        server.settle()
        variables = server.variables(name)
        measured = run_step("ours", "land_files", {"pattern": pattern}, **variables)
        if measured.result["rows"] != rows:
            raise StepFailed(f"landed {measured.result['rows']} rows of {rows}")
        return measured


def export_landed(server: Server, dataset: Dataset) -> list[Path]:
    """Return two CSV files of all that landing makes of a data set, written by the server."""
    dataset.files("parquet")
    files = [server.files / f"{dataset.shape.name}-{half}.csv" for half in (0, 1)]
    if all(file.exists() for file in files):
        return files
    with server.warehouse() as name:
        arguments = {"pattern": dataset.pattern("parquet")}
        run_step("ours", "land_files", arguments, **server.variables(name))
        for half, file in enumerate(files):
            query = f"select * from {TABLE} where delivery_id % 2 = {half}"
            server.execute(name, f"copy ({query}) to '{file}' (format csv)")
    return files


def copy(server: Server, files: Sequence[Path], *, at_once: int) -> Measured:
    """Copy files that lie on the server into the landing table of a fresh warehouse."""
    with landing_table(server) as name, ThreadPoolExecutor(at_once) as pool:
        server.settle()

        def copy_one(file: Path) -> None:
            server.execute(name, f"copy {TABLE} from '{file}' (format csv)")

        return timed(lambda: list(pool.map(copy_one, files)))


@contextmanager
def landing_table(server: Server) -> Iterator[str]:
    """Yield a fresh warehouse that has the day's partition, as all but the first pull find it."""
    with server.warehouse() as name:
        warehouse = Warehouse(url=server.url(name))
        ensure_days(warehouse, raw.usage_records, datetime.now(UTC).date())
        warehouse.close()
        yield name


def in_database(server: Server, verb: str, arguments: Mapping[str, Any]) -> Measured:
    """Let a peer load something into an empty database."""
    with server.database() as name:
        server.settle()
        url = server.url(name, driver="postgresql")
        return run_step("peers", verb, {"url": url, **arguments})


def _sling(server: Server, dataset: Dataset, file_format: FileFormat, rows: int) -> Way:
    dataset.files(file_format)
    arguments = {
        "stream": f"file://{dataset.pattern(file_format)}",
        "file_format": SLING_FORMATS[file_format],
    }
    load = partial(in_database, server, "sling_stream", arguments)
    return Way(f"sling, {file_format}", rows, load)


def _pandas(bench: Bench, dataset: Dataset) -> Way:
    rows = min(SAMPLE_ROWS, dataset.shape.records // OBJECTS)
    file = str(dataset.files("parquet")[0])

    def load() -> Measured:
        with bench.server.database() as name:
            arguments = {"url": bench.server.url(name), "file": file, "rows": rows}
            return run_step("peers", "pandas_to_sql", arguments)

    return Way("pandas to_sql", rows, load, f"a sample of {rows:,} rows")


def _gunzip(dataset: Dataset) -> Measured:
    command = ["gzip", "-dc", *map(str, dataset.files("jsonl.gz"))]
    return timed(lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True))
