"""From S3 to draft invoices in one ``meterhouse run``; then runs with nothing and little to do."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.bench import Bench
from benchmarks.generator import Dataset, Shape
from benchmarks.measuring import Measured, Series, StepFailed, Way, run_command, side_by_side, timed
from benchmarks.parts.journal import require_exact
from benchmarks.parts.landing import TABLE, landing_table
from benchmarks.progress import say
from benchmarks.report import Section, Verdict, table_of
from benchmarks.server import Server
from benchmarks.workspace import StandIn, write_workspace

AS_OF = "2026-11-02T00:00:00Z"
SMALL_FILE_RECORDS = 1_000
FEW_TENANTS = 10
MIB_ALLOWED = 1024
NOTHING_NEW = "nothing new"
ONE_FILE = "one small file"
WITHOUT_HISTORY = "one small file, without the history"
MISSING_IN_THE_MARTS = """
    select
        (select count(*) from (select distinct record_key from raw.usage_records) as delivered)
        - (select sum(record_count) from marts.fct_usage_monthly)
"""

# One statement each, into plain tables without partitions; the indexes are those that exactness and
# the later models cannot do without, made afterwards, which is faster than filling them.
HAND_WRITTEN_JOURNAL = (
    "create schema if not exists hand",
    "drop table if exists hand.journal",
    """
    create table hand.journal as
    select distinct on (record_key)
        occurred_at, record_key, delivery_id, row_number, 1 as build_number,
        1::smallint as sign, false as is_reversal, tenant_id, dimension_id, value, record_id,
        metadata, null::uuid as corrects_key
    from raw.usage_records
    order by record_key, delivery_id, row_number
    """,
    "create unique index on hand.journal (record_key)",
    "create index on hand.journal using brin (occurred_at)",
)
HAND_WRITTEN_HOURS = (
    "drop table if exists hand.hourly",
    """
    create table hand.hourly as
    select
        tenant_id, dimension_id, date_trunc('hour', occurred_at, 'UTC') as usage_hour,
        sum(value) as quantity_sum, count(*) as record_count, min(value) as quantity_min,
        max(value) as quantity_max, max(occurred_at) as last_recorded_at,
        (max(array[extract(epoch from occurred_at), value]))[2] as quantity_last
    from hand.journal
    group by tenant_id, dimension_id, usage_hour
    """,
)


def run(bench: Bench) -> Section:
    """Measure goals 4 and 5."""
    dataset = bench.dataset(Shape(bench.sizes.rows))
    folder = bench.folder("whole")
    stand_in = StandIn(folder / "aws")
    stand_in.clear()
    for file in dataset.files("parquet"):
        stand_in.add(file, file.name)
    with stand_in.running():
        wholes, floors = [], []
        for number in range(bench.sizes.heavy_runs):
            is_last = number == bench.sizes.heavy_runs - 1
            with _workspace(bench, dataset, stand_in) as (workspace, name):
                wholes.append(_first_run(bench.server, dataset, workspace, name))
                floors.append(_floor(bench, dataset, name))
                if is_last:
                    small = _small_runs(bench, dataset, workspace, name, stand_in)
    small |= _runs_without_history(bench)
    return _section(dataset, wholes, floors, small)


@contextmanager
def _workspace(bench: Bench, dataset: Dataset, stand_in: StandIn) -> Iterator[tuple[Path, str]]:
    """Yield a workspace on an empty database of the same server, and the database's name."""
    with bench.server.database() as name:
        warehouse = bench.server.url(name, driver="postgresql")
        folder = bench.folder("whole") / f"workspace-{name}"
        yield write_workspace(folder, dataset.shape, warehouse, stand_in.url), name
        # Kept where something failed, for its logs.
        shutil.rmtree(folder)


def meterhouse(workspace: Path) -> Measured:
    """Run the product's main command to its end, from the outside, with its imports."""
    program = str(Path(sys.executable).with_name("meterhouse"))
    command = [program, "--json", "-w", str(workspace), "run", "--as-of", AS_OF]
    measured, output = run_command(command, {})
    return Measured(measured.seconds, measured.peak_mib, {"output": output})


def _first_run(server: Server, dataset: Dataset, workspace: Path, name: str) -> Measured:
    server.settle()
    measured = meterhouse(workspace)
    say(f"meterhouse run: {measured.seconds:.1f} s, {measured.peak_mib:.0f} MiB")
    require_exact(server, name, dataset)
    drafts = server.number(name, "select count(*) from marts.fct_invoices where status = 'draft'")
    if drafts < dataset.shape.tenants // 2:
        raise StepFailed(f"only {drafts} drafts")
    return measured


def _floor(bench: Bench, dataset: Dataset, name: str) -> dict[str, Series]:
    """Do by hand, as fast as one knows how, the three things that cannot be left out."""
    server = bench.server
    file = server.files / "whole.csv"
    server.execute(name, f"copy (select * from {TABLE}) to '{file}' (format csv)")
    rows = dataset.truth().delivered
    ways = [
        Way("COPY of csv", rows, partial(_copied, server, file)),
        Way("insert into a journal", rows, partial(_by_hand, server, name, HAND_WRITTEN_JOURNAL)),
        Way("hourly aggregate", rows, partial(_by_hand, server, name, HAND_WRITTEN_HOURS)),
    ]
    series = side_by_side(ways, 1, say)
    server.execute(name, "drop schema hand cascade")
    file.unlink()
    return series


def _copied(server: Server, file: Path) -> Measured:
    with landing_table(server) as name:
        server.settle()
        return timed(lambda: server.execute(name, f"copy {TABLE} from '{file}' (format csv)"))


def _by_hand(server: Server, name: str, statements: tuple[str, ...]) -> Measured:
    server.settle()
    return timed(lambda: server.execute(name, *statements))


def _small_runs(
    bench: Bench, dataset: Dataset, workspace: Path, name: str, stand_in: StandIn
) -> dict[str, Series]:
    """Run with nothing new, and with one small file more each time."""
    # Of another seed: records that are really new.
    files = _small_files(bench, bench.sizes.runs, dataset.shape.tenants, seed=2)
    one_file = partial(_one_file, bench.server, name, workspace, stand_in, files)
    ways = [
        Way(NOTHING_NEW, 1, lambda: meterhouse(workspace)),
        Way(ONE_FILE, SMALL_FILE_RECORDS, one_file),
    ]
    return side_by_side(ways, bench.sizes.runs, say)


def _runs_without_history(bench: Bench) -> dict[str, Series]:
    """Run with one file more each time where there is next to nothing: what a run itself costs."""
    stand_in = StandIn(bench.folder("whole-without-history"))
    stand_in.clear()
    files = _small_files(bench, bench.sizes.runs + 1, FEW_TENANTS, seed=5)
    dataset = bench.dataset(Shape(SMALL_FILE_RECORDS, batches=1, tenants=FEW_TENANTS))
    with stand_in.running(), _workspace(bench, dataset, stand_in) as (workspace, name):
        one_file = partial(_one_file, bench.server, name, workspace, stand_in, files)
        side_by_side([Way("the first file", SMALL_FILE_RECORDS, one_file)], 1, say)
        ways = [Way(WITHOUT_HISTORY, SMALL_FILE_RECORDS, one_file)]
        return side_by_side(ways, bench.sizes.runs, say)


def _small_files(bench: Bench, count: int, tenants: int, seed: int) -> Iterator[Path]:
    shape = Shape(SMALL_FILE_RECORDS * count, batches=count, tenants=tenants, seed=seed)
    return iter(bench.dataset(shape).files("parquet"))


def _one_file(
    server: Server, name: str, workspace: Path, stand_in: StandIn, files: Iterator[Path]
) -> Measured:
    file = next(files)
    stand_in.add(file, f"small-{file.name}")
    measured = meterhouse(workspace)
    missing = server.number(name, MISSING_IN_THE_MARTS)
    if missing:
        raise StepFailed(f"{missing} records are not in the marts")
    return measured


def _section(
    dataset: Dataset,
    wholes: list[Measured],
    floors: list[dict[str, Series]],
    small: dict[str, Series],
) -> Section:
    rows = dataset.truth().delivered
    whole = Series("meterhouse run", rows, wholes, note="S3 to draft invoices, once")
    parts = [
        Series(name, rows, [one for floor in floors for one in floor[name].runs])
        for name in floors[0]
    ]
    by_hand = sum(median(one.seconds for one in part.runs) for part in parts)
    ours = Series("the three by hand", rows, [Measured(by_hand)])
    idle, one_file, without_history = (
        small[name] for name in (NOTHING_NEW, ONE_FILE, WITHOUT_HISTORY)
    )
    return Section(
        "S3 to draft invoices, and small runs",
        f"{rows:,} rows in {dataset.shape.batches} Parquet objects of a stand-in for S3, "
        f"{dataset.shape.tenants:,} customers with {dataset.shape.dimensions} charges each. The "
        "small runs come after it, in the same workspace, with its history; the last one in a "
        f"workspace of {FEW_TENANTS} customers with next to none.",
        [
            Verdict(
                4, "the whole run, times the three by hand", whole.seconds / by_hand, "at most", 2.5
            ),
            Verdict(4, "peak memory, MiB", whole.peak_mib, "at most", MIB_ALLOWED),
            Verdict(5, "an idle run, seconds", _seconds(idle), "at most", 5),
            Verdict(5, "a run with one file, seconds", _seconds(one_file), "at most", 20),
            Verdict(
                5, "the same without the history, seconds", _seconds(without_history), "at most", 20
            ),
        ],
        [
            table_of([whole, ours, *parts], ours),
            table_of([idle, one_file, without_history], idle),
        ],
    )


def _seconds(series: Series) -> float | None:
    return series.seconds if series.runs else None
