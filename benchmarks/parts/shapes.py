"""The same with many tenants, many dimensions, or much metadata: nothing may be slower for it."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks import by_hand
from benchmarks.bench import Bench
from benchmarks.generator import Dataset, Shape
from benchmarks.measuring import Measured, Series, Way, run_step, side_by_side
from benchmarks.parts.journal import ROLLUPS, require_exact
from benchmarks.progress import say
from benchmarks.report import Section, Table, Verdict
from benchmarks.workspace import write_catalog

BATCHES = 4
USUAL = "usual"
MANY_TENANTS, MANY_DIMENSIONS, MUCH_METADATA = "10,000 tenants", "1,000 dimensions", "50 keys"
STEPS = ("land", "journal", "rollups")
# What two runs of the same differ by on a small machine.
NOISE = 1.1
CELLS = "select " + " + ".join(f"(select count(*) from {table})" for table in ROLLUPS)


@dataclass(frozen=True, slots=True)
class Costs:
    """What a shape costs: seconds of each step, per record, per megabyte, per cell."""

    seconds: Mapping[str, float]
    rows: int
    megabytes: float
    cells: int
    rollups_by_hand: float

    def per_record(self, step: str) -> float:
        """Return the microseconds of a step for each record."""
        return self.seconds[step] / self.rows * 1e6

    def per_megabyte(self, step: str) -> float:
        """Return the milliseconds of a step for each megabyte of the file as text."""
        return self.seconds[step] / self.megabytes * 1e3

    def per_cell(self) -> float:
        """Return the microseconds of rollups for each record read and cell written."""
        return self.seconds["rollups"] / (self.rows + self.cells) * 1e6


def run(bench: Bench) -> Section:
    """Measure goal 7."""
    rows = bench.sizes.landing_rows
    shapes = {
        USUAL: Shape(rows, batches=BATCHES),
        MANY_TENANTS: Shape(rows, batches=BATCHES, tenants=10_000),
        MANY_DIMENSIONS: Shape(rows, batches=BATCHES, dimensions=1_000),
        MUCH_METADATA: Shape(rows, batches=BATCHES, metadata_keys=50),
    }
    datasets = {name: bench.dataset(shape) for name, shape in shapes.items()}
    ways = [_way(bench, name, dataset) for name, dataset in datasets.items()]
    series = side_by_side(ways, bench.sizes.runs, say)
    costs = {name: _costs(series[name], datasets[name]) for name in datasets if series[name].runs}
    return _section(rows, series, costs)


def _way(bench: Bench, name: str, dataset: Dataset) -> Way:
    files = [str(file) for file in dataset.files("parquet")]
    catalog = write_catalog(bench.folder(f"catalog-{dataset.shape.name}"), dataset.shape)
    target = str(bench.folder("dbt"))

    def measure() -> Measured:
        with bench.server.warehouse() as database:
            bench.server.settle()
            arguments = {"files": files, "catalog": str(catalog), "target": target}
            variables = bench.server.variables(database)
            measured = run_step("ours", "batches", arguments, **variables)
            require_exact(bench.server, database, dataset)
            cells = bench.server.number(database, CELLS)
            bench.server.settle()
            plain = by_hand.rollups(bench.server, database)
            result = {**measured.result, "cells": cells, "rollups_by_hand": plain.seconds}
            return Measured(measured.seconds, measured.peak_mib, result)

    return Way(name, dataset.truth().delivered, measure)


def _costs(series: Series, dataset: Dataset) -> Costs:
    # The run in the middle, whole: its steps belong together.
    middle = sorted(series.runs, key=lambda run: run.seconds)[len(series.runs) // 2]
    batches = middle.result["batches"]
    size = sum(file.stat().st_size for file in dataset.files("csv"))
    return Costs(
        {step: sum(batch[step] for batch in batches) for step in STEPS},
        series.rows,
        size / 1e6,
        middle.result["cells"],
        middle.result["rollups_by_hand"],
    )


def _section(rows: int, series: Mapping[str, Series], costs: Mapping[str, Costs]) -> Section:
    return Section(
        "Many tenants, many dimensions, much metadata",
        f"{rows:,} records in {BATCHES} batches through landing, journal and rollups, each shape "
        "compared with the truth. Wide metadata is more bytes, so there the bytes count; more "
        "tenants and dimensions are more cells to write, so rollups count by record and cell. "
        "By hand: hours, days and months of the whole as plain statements, once.",
        [
            *_verdicts(costs, MANY_TENANTS),
            *_verdicts(costs, MANY_DIMENSIONS),
            *_metadata_verdicts(costs),
        ],
        [_table(series, costs)],
    )


def _verdicts(costs: Mapping[str, Costs], name: str) -> list[Verdict]:
    usual, this = costs.get(USUAL), costs.get(name)
    measured: dict[str, float | None] = {
        "land a record": None,
        "journal a record": None,
        "roll up a record or cell": None,
    }
    if usual and this:
        measured = {
            "land a record": this.per_record("land") / usual.per_record("land"),
            "journal a record": this.per_record("journal") / usual.per_record("journal"),
            "roll up a record or cell": this.per_cell() / usual.per_cell(),
        }
    return [
        Verdict(7, f"{name}: {what}, times the usual", value, "at most", NOISE)
        for what, value in measured.items()
    ]


def _metadata_verdicts(costs: Mapping[str, Costs]) -> list[Verdict]:
    usual, this = costs.get(USUAL), costs.get(MUCH_METADATA)
    return [
        Verdict(
            7,
            f"{MUCH_METADATA}: {step} a megabyte, times the usual",
            this.per_megabyte(step) / usual.per_megabyte(step) if usual and this else None,
            "at most",
            NOISE,
        )
        for step in ("land", "journal")
    ]


def _table(series: Mapping[str, Series], costs: Mapping[str, Costs]) -> Table:
    times = (*(f"{step}, us a record" for step in STEPS), "rollups by hand, us a record")
    columns = ["shape", "MB", "cells", *times, "MiB", ""]
    rows = []
    for name, one in series.items():
        if name not in costs:
            rows.append([name, *["-"] * (len(columns) - 2), one.note])
            continue
        cost = costs[name]
        seconds = (*(cost.seconds[step] for step in STEPS), cost.rollups_by_hand)
        measured = [f"{each / cost.rows * 1e6:.2f}" for each in seconds]
        size = [f"{cost.megabytes:,.0f}", f"{cost.cells:,}"]
        rows.append([name, *size, *measured, f"{one.peak_mib:,.0f}", one.note])
    return Table(columns, rows)
