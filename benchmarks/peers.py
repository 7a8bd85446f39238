"""The other side: each peer in a process of its own, with the best settings we know of.

``python -m benchmarks.peers VERB ARGUMENTS``. Nothing of the product is imported here, so that the
memory and the time are the peer's own.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.measuring import answer

# Large enough that a file is worth its COPY, small enough that two workers have some each.
DLT_FILE_ROWS = 250_000
DLT_SETTINGS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "100000",
    "DATA_WRITER__FILE_MAX_ITEMS": str(DLT_FILE_ROWS),
    "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
    "EXTRACT__WORKERS": "2",
    "NORMALIZE__WORKERS": "2",
    "LOAD__WORKERS": "2",
}
SLING_PACKAGE = "sling_linux_amd64"


def dlt_files(url: str, files: Sequence[str], loaded_as: str) -> dict[str, Any]:
    """Load Parquet files as arrow tables; ``loaded_as`` is the format of what Postgres gets."""

    def tables() -> Iterator[Any]:
        import pyarrow.parquet

        for file in files:
            parquet = pyarrow.parquet.ParquetFile(file)
            for batch in parquet.iter_batches(batch_size=DLT_FILE_ROWS):
                yield pyarrow.Table.from_batches([batch])

    return _dlt(url, tables(), loaded_as)


def dlt_table(url: str, source: str, table: str, backend: str) -> dict[str, Any]:
    """Load a table of another Postgres as arrow tables."""
    from dlt.sources.sql_database import sql_table

    # connectorx reads the table itself, and does not know the drivers of SQLAlchemy.
    plain = {"conn": source.replace("+psycopg2", "")} if backend == "connectorx" else {}
    resource = sql_table(
        credentials=source,
        table=table,
        backend=backend,
        backend_kwargs=plain,
        chunk_size=DLT_FILE_ROWS // 5,
    )
    return _dlt(url, resource, "csv")


def sling_stream(url: str, stream: str, source: str = "", file_format: str = "") -> dict[str, Any]:
    """Load a file, or a table of another Postgres, with sling."""
    binary = os.environ.get("SLING_BINARY") or _sling()
    command = [binary, "run", "--src-stream", stream, "--tgt-conn", "BENCH_TARGET"]
    command += ["--tgt-object", "public.sling", "--mode", "full-refresh"]
    if source:
        command += ["--src-conn", "BENCH_SOURCE"]
    if file_format:
        command += ["--src-options", f"{{format: {file_format}}}"]
    environment = {
        **os.environ,
        "BENCH_TARGET": f"{url}?sslmode=disable",
        "BENCH_SOURCE": f"{source}?sslmode=disable",
        "SLING_DISABLE_TELEMETRY": "true",
    }
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    return {"seconds": seconds}


def pandas_to_sql(url: str, file: str, rows: int) -> dict[str, Any]:
    """Load the first rows of a Parquet file with ``DataFrame.to_sql``, as its page shows it."""
    import pandas
    from sqlalchemy import create_engine

    engine = create_engine(url)
    began = time.perf_counter()
    frame = pandas.read_parquet(file).head(rows)
    frame.to_sql("pandas", engine, if_exists="append", index=False)
    return {"seconds": time.perf_counter() - began, "rows": len(frame)}


def row_number_model(target: str) -> dict[str, Any]:
    """Deduplicate everything that has landed with a full-refresh dbt model."""
    from dbt.cli.main import dbtRunner

    project = str(Path(__file__).parent / "row_number_project")
    places = ["--project-dir", project, "--profiles-dir", project]
    places += ["--target-path", target, "--log-path", target]
    runner = dbtRunner()
    if not runner.invoke(["--quiet", "parse", *places]).success:
        raise RuntimeError("dbt could not parse the project")
    began = time.perf_counter()
    outcome = runner.invoke(["--quiet", "run", "--full-refresh", *places])
    if not outcome.success:
        raise RuntimeError(f"dbt run failed: {outcome.exception}")
    return {"seconds": time.perf_counter() - began}


def duckdb_rollups(parquet: str, directory: str) -> dict[str, Any]:
    """Make hourly, daily and monthly tables from Parquet files, and from a table of its own."""
    import duckdb

    with tempfile.TemporaryDirectory(dir=directory) as folder:
        connection = duckdb.connect(f"{folder}/rollups.duckdb")
        connection.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        files = _roll_up(connection, f"read_parquet('{parquet}')", "from_files")
        connection.execute(f"create table records as from read_parquet('{parquet}')")
        connection.execute("checkpoint")
        return {"seconds": files, "native": _roll_up(connection, "records", "from_table")}


def _roll_up(connection: Any, records: str, schema: str) -> float:
    sums = """
        sum({value}) as quantity_sum, sum({count}) as record_count, min({low}) as quantity_min,
        max({high}) as quantity_max, arg_max({last}, {moment}) as quantity_last,
        max({moment}) as last_recorded_at
    """
    own = sums.format(
        value="value", count="1", low="value", high="value", last="value", moment="occurred_at"
    )
    rolled = sums.format(
        value="quantity_sum",
        count="record_count",
        low="quantity_min",
        high="quantity_max",
        last="quantity_last",
        moment="last_recorded_at",
    )
    began = time.perf_counter()
    connection.execute(f"""
        create schema {schema};
        create table {schema}.hourly as
        select tenant_id, dimension_id, date_trunc('hour', occurred_at) as usage_hour, {own}
        from {records} group by all;
        create table {schema}.daily as
        select tenant_id, dimension_id, date_trunc('day', usage_hour) as usage_date, {rolled}
        from {schema}.hourly group by all;
        create table {schema}.monthly as
        select tenant_id, dimension_id, date_trunc('month', usage_date) as usage_month, {rolled}
        from {schema}.daily group by all;
        checkpoint;
    """)
    return time.perf_counter() - began


def _dlt(url: str, rows: Any, loaded_as: str) -> dict[str, Any]:
    os.environ.update(DLT_SETTINGS)
    import dlt

    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "bench",
            pipelines_dir=folder,
            destination=dlt.destinations.postgres(url),
            dataset_name="dlt",
        )
        _dlt_run(pipeline, [_one_row()], "warm_up", loaded_as)
        began = time.perf_counter()
        _dlt_run(pipeline, rows, "records", loaded_as)
        return {"seconds": time.perf_counter() - began}


def _one_row() -> Any:
    """Return what makes dlt import what it needs, and make its own tables, before it is timed."""
    import pyarrow

    return pyarrow.table({"id": ["warm-up"]})


def _dlt_run(pipeline: Any, rows: Any, table: str, loaded_as: str) -> None:
    pipeline.run(
        rows, table_name=table, write_disposition="append", loader_file_format=loaded_as
    ).raise_on_failed_jobs()


def _sling() -> str:
    spec = find_spec(SLING_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("sling is not installed: set SLING_BINARY to the path of its program")
    return str(Path(spec.submodule_search_locations[0]) / "bin" / "sling-linux-amd64")


if __name__ == "__main__":
    answer((dlt_files, dlt_table, sling_stream, pandas_to_sql, row_number_model, duckdb_rollups))
