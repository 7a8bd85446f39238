"""Landing to journal and rollups, batch by batch: speed, growth, size, and what rebuilds cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks import by_hand
from benchmarks.bench import Bench
from benchmarks.generator import Dataset, Shape
from benchmarks.measuring import Measured, Series, StepFailed, run_step
from benchmarks.progress import say
from benchmarks.report import Section, Table, Verdict, table_of
from benchmarks.server import Server
from benchmarks.workspace import write_catalog

JOURNAL = "journal.jnl_usage_entries"
JOURNALS = (JOURNAL, by_hand.JOURNAL)
# One statement a batch, without corrections, counts and archives.
JOURNALS_BY_HAND = (
    ("each id once", by_hand.EACH_ID_ONCE),
    ("conflicts found", by_hand.CONFLICTS_FOUND),
)
ROLLUPS = ("marts.fct_usage_hourly", "marts.fct_usage_daily", "marts.fct_usage_monthly")
# Single batches are noisy: growth is told from the medians of so many.
WINDOW = 5
# Models that take less are not told.
NOTICED = 0.05
STEPS = ("land", "journal", "rollups")
SIZE = """
    select sum(pg_table_size(relid)), sum(pg_indexes_size(relid))
    from pg_partition_tree('{table}') where isleaf
"""
# One number for all of a table, whatever the order of its rows.
CONTENT = "select count(*), sum(hashtextextended(kept::text, 0)::numeric) from {table} as kept"

Batch = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """All batches through landing, journal and rollups, once."""

    measured: Measured
    bytes_of_rows: float
    bytes_of_indexes: float
    rebuilds: Series
    row_number: Series
    journals_by_hand: Sequence[Measured]
    rollups_by_hand: Measured
    in_one_go: Measured

    @property
    def batches(self) -> Sequence[Batch]:
        """The batches in their order."""
        found: Sequence[Batch] = self.measured.result["batches"]
        return found

    @property
    def seconds_by_hand(self) -> Sequence[float]:
        """What each batch took by hand, conflicts found."""
        found: Sequence[float] = self.journals_by_hand[-1].result["batches"]
        return found


def run(bench: Bench) -> Section:
    """Measure goals 2 and 3."""
    dataset = bench.dataset(Shape(bench.sizes.rows))
    dataset.files("parquet")
    duckdb, native = _duckdb(bench, dataset)
    runs = [_run(bench, dataset) for _ in range(bench.sizes.heavy_runs)]
    return _section(dataset, runs, duckdb, native)


def _run(bench: Bench, dataset: Dataset) -> Run:
    server, target = bench.server, str(bench.folder("dbt"))
    in_one_go = _in_one_go(bench, dataset)
    with server.warehouse() as name:
        files = [str(file) for file in dataset.files("parquet")]
        measured = _batched(bench, dataset, name, files)
        say(f"journal, in batches: {measured.seconds:.1f} s in all")
        size = server.execute(name, SIZE.format(table=JOURNAL))[0]
        before = _contents(server, name)
        variables = server.variables(name)
        rebuilds = _rebuilds(bench, dataset, target, variables)
        if _contents(server, name) != before:
            raise StepFailed("the rollups made batch by batch differ from those made anew")
        return Run(
            measured,
            float(size[0]) / dataset.shape.records,
            float(size[1]) / dataset.shape.records,
            rebuilds,
            _row_number(bench, dataset, variables),
            *_by_hand(server, name),
            in_one_go,
        )


def _in_one_go(bench: Bench, dataset: Dataset) -> Measured:
    """Land everything before the journal is built once, as a backfill does."""
    with bench.server.warehouse() as name:
        measured = _batched(bench, dataset, name, [dataset.pattern("parquet")])
        say(f"journal, in one go: {measured.seconds:.1f} s")
        return measured


def _batched(bench: Bench, dataset: Dataset, name: str, files: Sequence[str]) -> Measured:
    """Land, journal and roll up, pattern after pattern, in an empty warehouse."""
    bench.server.settle()
    arguments = {
        "files": files,
        "catalog": str(write_catalog(bench.folder("catalog"), dataset.shape)),
        "target": str(bench.folder("dbt")),
    }
    measured = run_step("ours", "batches", arguments, **bench.server.variables(name))
    require_exact(bench.server, name, dataset)
    return measured


def require_exact(server: Server, name: str, dataset: Dataset) -> None:
    """Refuse to report a speed of something that is wrong."""
    truth = dataset.truth()
    found = server.execute(name, f"select count(*), sum(value) from {JOURNAL}")[0]
    if found != (truth.distinct, truth.total):
        raise StepFailed(f"the journal has {found}, the data {truth}")
    for table in ROLLUPS:
        query = f"select sum(record_count), sum(quantity_sum) from {table}"
        found = server.execute(name, query)[0]
        if found != (truth.distinct, truth.total):
            raise StepFailed(f"{table} has {found}, the data {truth}")


def _contents(server: Server, name: str) -> list[Any]:
    return [server.execute(name, CONTENT.format(table=table))[0] for table in ROLLUPS]


def _rebuilds(bench: Bench, dataset: Dataset, target: str, variables: dict[str, str]) -> Series:
    arguments = {"target": target, "times": bench.sizes.runs}
    measured = run_step("ours", "rebuild_rollups", arguments, **variables)
    runs = [Measured(seconds, measured.peak_mib) for seconds in measured.result["runs"]]
    say(f"rollups, full rebuild: {measured.seconds:.1f} s")
    return Series("ours, full rebuild", dataset.shape.records, runs)


def _row_number(bench: Bench, dataset: Dataset, variables: dict[str, str]) -> Series:
    bench.server.settle()
    target = str(bench.folder("row_number"))
    measured = run_step("peers", "row_number_model", {"target": target}, **variables)
    say(f"row_number(): {measured.seconds:.1f} s")
    note = "each batch costs this, and more with every one"
    return Series("row_number() model", dataset.truth().delivered, [measured], note)


def _by_hand(server: Server, name: str) -> tuple[Sequence[Measured], Measured]:
    """Measure the journal and the rollups of the same records as plain statements."""
    journals = [_journal_by_hand(server, name, statement) for _, statement in JOURNALS_BY_HAND]
    rollups = by_hand.rollups(server, name)
    say(f"rollups, by hand: {rollups.seconds:.1f} s")
    return journals, rollups


def _journal_by_hand(server: Server, name: str, statement: str) -> Measured:
    server.settle()
    journal = by_hand.journal_in_batches(server, name, statement)
    counts = {server.number(name, f"select count(*) from {table}") for table in JOURNALS}
    if len(counts) > 1:
        raise StepFailed("the journal made by hand differs")
    say(f"journal, by hand: {journal.seconds:.1f} s")
    return journal


def _duckdb(bench: Bench, dataset: Dataset) -> tuple[Series, Series]:
    arguments = {
        "parquet": str(dataset.distinct_records()),
        "directory": str(bench.folder("duckdb")),
    }
    measured = [run_step("peers", "duckdb_rollups", arguments) for _ in range(bench.sizes.runs)]
    records = dataset.shape.records
    files = Series("DuckDB, from Parquet", records, measured)
    tables = [Measured(run.result["native"], run.peak_mib) for run in measured]
    say(f"DuckDB: {files.seconds:.2f} s")
    return files, Series("DuckDB, from its own table", records, tables)


def _section(dataset: Dataset, runs: Sequence[Run], duckdb: Series, native: Series) -> Section:
    rows = dataset.truth().delivered
    journal = Series("ours, batch by batch", rows, [run.measured for run in runs])
    in_one_go = Series("ours, in one go", rows, [run.in_one_go for run in runs])
    journals_by_hand = [
        Series(f"by hand, {way}, batch by batch", rows, list(measured))
        for (way, _), measured in zip(
            JOURNALS_BY_HAND, zip(*(run.journals_by_hand for run in runs), strict=True), strict=True
        )
    ]
    rollups_by_hand = Series(
        "by hand",
        dataset.shape.records,
        [run.rollups_by_hand for run in runs],
        "one statement each for hours, days and months, nothing corrected",
    )
    rebuilds = Series(
        "ours, full rebuild",
        dataset.shape.records,
        [one for run in runs for one in run.rebuilds.runs],
    )
    batch = median(_late(run, "rollups") for run in runs)
    size = median(run.bytes_of_rows + run.bytes_of_indexes for run in runs)
    return Section(
        "Landing to journal to rollups",
        f"{rows:,} rows of {dataset.shape.records:,} records in {dataset.shape.batches} daily "
        "batches. The journal and all rollups were compared with what the generator knows, and the "
        "rollups made batch by batch with those made anew: equal to the last digit.",
        [
            Verdict(2, "landing to journal, records a second", journal.rate, "at least", 150_000),
            Verdict(
                2,
                f"journal: last {WINDOW} batches, times the first {WINDOW}",
                median(_growth(run, "journal") for run in runs),
                "at most",
                1.1,
            ),
            Verdict(2, "journal with indexes, bytes a record", size, "at most", 250),
            Verdict(
                3,
                "rollups of a batch, of a full rebuild",
                batch / rebuilds.seconds,
                "at most",
                0.15,
            ),
            Verdict(
                3,
                "full rebuild, times DuckDB from Parquet",
                rebuilds.seconds / duckdb.seconds,
                "at most",
                8,
            ),
        ],
        [
            table_of(
                [journal, in_one_go, *journals_by_hand, *[run.row_number for run in runs]], journal
            ),
            table_of([rebuilds, rollups_by_hand, duckdb, native], duckdb),
            _batches(runs),
            _models(runs),
        ],
        [
            f"A record of the journal takes {runs[-1].bytes_of_rows:.0f} bytes and "
            f"{runs[-1].bytes_of_indexes:.0f} in indexes.",
            f"The 30th batch took {_nth(runs, 30):.2f} times the first; single batches are noisy.",
            f"By hand the last {WINDOW} batches took "
            f"{median(_growth_by_hand(run) for run in runs):.2f} times the first {WINDOW}.",
            "With nothing new, the models of the journal took "
            f"{median(run.measured.result['idle'] for run in runs):.2f} s; each batch pays that.",
            f"The rollups of the last {WINDOW} batches took {batch:.2f} s each at the median.",
        ],
    )


def _late(run: Run, what: str) -> float:
    return median(float(batch[what]) for batch in run.batches[-WINDOW:])


def _growth(run: Run, what: str) -> float:
    return _late(run, what) / median(float(batch[what]) for batch in run.batches[:WINDOW])


def _growth_by_hand(run: Run) -> float:
    seconds = run.seconds_by_hand
    return median(seconds[-WINDOW:]) / median(seconds[:WINDOW])


def _nth(runs: Sequence[Run], number: int) -> float:
    def ratio(batches: Sequence[Batch]) -> float:
        last = batches[min(number, len(batches)) - 1]
        return float(last["journal"]) / float(batches[0]["journal"])

    return median(ratio(run.batches) for run in runs)


def _batches(runs: Sequence[Run]) -> Table:
    by_number = zip(*(run.batches for run in runs), strict=True)
    by_hand_by_number = zip(*(run.seconds_by_hand for run in runs), strict=True)
    rows = [
        [
            str(number),
            f"{batches[0]['rows']:,}",
            *(f"{median(batch[what] for batch in batches):.2f}" for what in STEPS),
            f"{median(hand):.2f}",
        ]
        for number, (batches, hand) in enumerate(
            zip(by_number, by_hand_by_number, strict=True), start=1
        )
    ]
    return Table(["batch", "rows", *(f"{what}, s" for what in STEPS), "journal by hand, s"], rows)


def _models(runs: Sequence[Run]) -> Table:
    """Return what each model of the journal took in the last batches, the slowest first."""
    late = [batch["models"] for run in runs for batch in run.batches[-WINDOW:]]
    seconds = {name: median(models[name] for models in late) for name in late[0]}
    slowest = sorted(seconds, key=lambda name: -seconds[name])
    return Table(
        ["model of the journal, in a late batch", "seconds, beside others"],
        [[name, f"{seconds[name]:.2f}"] for name in slowest if seconds[name] >= NOTICED],
    )
