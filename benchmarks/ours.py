"""Our side, through the product's own functions; every verb runs in a process of its own.

``python -m benchmarks.ours VERB ARGUMENTS``. The database is found as the product finds it, by the
variables of its environment.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

# Imported by the product when it first needs them; a run pays that once, and not for each file.
import duckdb  # noqa: F401
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet  # noqa: F401

from assets.catalog.publishing import publish
from assets.ingestion.pulling import PullReport, pull
from assets.transform.builds import begin_build, build_inputs, finish_build
from benchmarks.measuring import answer
from benchmarks.processor_time import ServerTime
from connectors.dbt import prepare_manifest, run_project
from connectors.warehouse import Warehouse
from models.catalog import load_catalog
from models.settings import AnySource, FileSource, PostgresSource

# After every day that the generator knows.
AS_OF = datetime(2026, 11, 2, tzinfo=UTC)
# What every build does with usage, up to where rating begins.
JOURNAL = ("+jnl_delivery_counts", "+jnl_control_totals")
ROLLUPS = ("path:models/usage",)
RATING = ("path:models/rating",)
# Before the first of the next month anywhere: one period of every customer is rated.
IN_THE_MONTH = datetime(2026, 10, 31, 6, tzinfo=UTC)


def land_files(pattern: str) -> dict[str, Any]:
    """Land the files that a pattern names."""
    return _landed(FileSource(name="bench", type="file", path=pattern))


def land_table(url: str, table: str) -> dict[str, Any]:
    """Land a table of another database."""
    source = PostgresSource.model_validate(
        {
            "name": "bench",
            "type": "postgres",
            "url": url,
            "table": table,
            "cursor": "updated_at",
            "key": "id",
            "fields": {"timestamp": "occurred_at"},
        }
    )
    return _landed(source)


def batches(files: Sequence[str], catalog: str, target: str) -> dict[str, Any]:
    """Land, journal and roll up batch after batch, and return the seconds of each."""
    warehouse = _warehouse()
    version = _published(warehouse, Path(catalog))
    _warm_up(Path(target))
    days = [_one_batch(warehouse, version, file, Path(target)) for file in files]
    with _build(warehouse, version):
        idle = _ran(["--select", *JOURNAL], Path(target))
    return {"seconds": sum(day["journal"] for day in days), "batches": days, "idle": idle.seconds}


def rebuild_rollups(target: str, times: int) -> dict[str, Any]:
    """Make the rollups anew from the whole journal, some times, and return the seconds of each."""
    warehouse = _warehouse()
    _warm_up(Path(target))
    seconds = []
    for _ in range(times):
        with _build(warehouse, "none"):
            ran = _ran(["--full-refresh", "--select", *ROLLUPS], Path(target))
        seconds.append(ran.seconds)
    return {"seconds": median(seconds), "runs": seconds}


def rate(pattern: str, catalog: str, target: str, times: int) -> dict[str, Any]:
    """Rate what lies in files some times, and return what each cost, and each model alone."""
    warehouse, folder = _warehouse(), Path(target)
    version = _published(warehouse, Path(catalog))
    _warm_up(folder)
    _one_batch(warehouse, version, pattern, folder)
    server = ServerTime(os.environ["METERHOUSE_WAREHOUSE_URL"].replace("+psycopg2", "", 1))
    builds = [_rated(warehouse, version, server, folder) for _ in range(times)]
    with _build(warehouse, version, IN_THE_MONTH):
        models = _cost_of_models(server, folder)
    seconds = median(build["seconds"] for build in builds)
    return {"seconds": seconds, "builds": builds, "models": models}


def _rated(
    warehouse: Warehouse, version: str, server: ServerTime, target: Path
) -> Mapping[str, float]:
    with _build(warehouse, version, IN_THE_MONTH):
        began, client = server.seconds(), time.process_time()
        ran = _ran(["--select", *RATING], target)
    return {
        "seconds": ran.seconds,
        "server": server.seconds() - began,
        "client": time.process_time() - client,
    }


def _cost_of_models(server: ServerTime, target: Path) -> Mapping[str, float]:
    """Run the models of rating one after the other, and return what each costs the server."""
    costs, before = {}, server.seconds()
    for result in run_project(["run", "--threads", "1", "--select", *RATING], target):
        if not result.is_successful:
            raise RuntimeError(f"{result.unique_id}: {result.message}")
        now = server.seconds()
        costs[result.name] = now - before
        before = now
    return costs


def _one_batch(warehouse: Warehouse, version: str, file: str, target: Path) -> Mapping[str, Any]:
    landed = _pulled(warehouse, FileSource(name="bench", type="file", path=file))
    with _build(warehouse, version):
        journal = _ran(["--select", *JOURNAL], target)
        rollups = _ran(["--select", *ROLLUPS], target)
    return {
        "rows": landed["rows"],
        "land": landed["seconds"],
        "journal": journal.seconds,
        "models": journal.models,
        "rollups": rollups.seconds,
    }


def _warm_up(target: Path) -> None:
    """Let dbt import itself and parse, which a run pays once and not for each batch."""
    prepare_manifest()
    for _ in run_project(["ls", "--select", *ROLLUPS], target):
        pass


def _warehouse() -> Warehouse:
    return Warehouse(url=os.environ["METERHOUSE_WAREHOUSE_URL"])


def _published(warehouse: Warehouse, directory: Path) -> str:
    catalog = load_catalog(directory)
    with warehouse.begin() as connection:
        publish(connection, catalog)
    return catalog.version


def _landed(source: AnySource) -> dict[str, Any]:
    return _pulled(_warehouse(), source)


def _pulled(warehouse: Warehouse, source: AnySource) -> dict[str, Any]:
    began = time.perf_counter()
    report: PullReport = pull(source, warehouse, AS_OF)
    return {
        "seconds": time.perf_counter() - began,
        "rows": report.landed_count,
        "quarantined": report.quarantined_count,
    }


@contextmanager
def _build(warehouse: Warehouse, version: str, as_of: datetime = AS_OF) -> Iterator[None]:
    """Number a build, as the product does around its models."""
    with warehouse.begin() as connection:
        inputs = build_inputs(connection, version, as_of, "adjust", "benchmark")
        number = begin_build(connection, inputs, datetime.now(UTC))
    yield
    with warehouse.begin() as connection:
        finish_build(connection, number, datetime.now(UTC))


class Ran(NamedTuple):
    """What a run of models took, and each of them while others ran beside it; in seconds."""

    seconds: float
    models: Mapping[str, float]


def _ran(options: Sequence[str], target: Path) -> Ran:
    """Run models and return the seconds it took."""
    began, models = time.perf_counter(), {}
    for result in run_project(["run", *options], target):
        if not result.is_successful:
            raise RuntimeError(f"{result.unique_id}: {result.message}")
        models[result.name] = result.seconds
    return Ran(time.perf_counter() - began, models)


if __name__ == "__main__":
    answer((land_files, land_table, batches, rebuild_rollups, rate))
