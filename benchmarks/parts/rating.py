"""A month of usage into amounts: every aggregation, every price, several time zones."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from statistics import median

from benchmarks.bench import Bench
from benchmarks.deals import write_deals
from benchmarks.generator import Dataset, Shape
from benchmarks.measuring import StepFailed, run_step
from benchmarks.parts.journal import require_exact
from benchmarks.progress import say
from benchmarks.report import Section, Table, Verdict
from benchmarks.server import Server

SECONDS = 10
SHOWN_MODELS = 12
# Usage goes to one charge or to none, so all of it is found once in the pieces.
PIECES = "select sum(record_count), sum(quantity_sum) from rating.int_usage_pieces"
LINES = "select count(*) from rating.int_metered_parts"

Build = Mapping[str, float]


def run(bench: Bench) -> Section:
    """Measure goal 8."""
    dataset = bench.dataset(Shape(bench.sizes.landing_rows, batches=1))
    with bench.server.warehouse() as name, _without_vacuum(bench.server):
        bench.server.settle()
        arguments = {
            "pattern": dataset.pattern("parquet"),
            "catalog": str(write_deals(bench.folder("deals"), dataset.shape)),
            "target": str(bench.folder("dbt")),
            "times": bench.sizes.runs,
        }
        dataset.files("parquet")
        measured = run_step("ours", "rate", arguments, **bench.server.variables(name))
        _require_all_usage(bench, name, dataset)
    say(f"rating: {measured.seconds:.1f} s")
    return _section(dataset.shape, measured.result["builds"], measured.result["models"])


@contextmanager
def _without_vacuum(server: Server) -> Iterator[None]:
    """Keep the server from looking after the journal while the time of its processes counts."""
    reload = "select pg_reload_conf()"
    server.execute("postgres", "alter system set autovacuum = off", reload)
    try:
        yield
    finally:
        server.execute("postgres", "alter system reset autovacuum", reload)


def _require_all_usage(bench: Bench, name: str, dataset: Dataset) -> None:
    """Refuse to report a speed of something that is wrong."""
    require_exact(bench.server, name, dataset)
    truth, shape = dataset.truth(), dataset.shape
    found = bench.server.execute(name, PIECES)[0]
    if found != (truth.distinct, truth.total):
        raise StepFailed(f"rating has found {found}, the data {truth}")
    charges = bench.server.number(name, LINES)
    if charges != shape.tenants * shape.dimensions:
        raise StepFailed(f"{charges} charges were rated, not one a customer and dimension")


def _section(shape: Shape, builds: list[Build], models: Mapping[str, float]) -> Section:
    seconds = median(build["seconds"] for build in builds)
    return Section(
        "Rating",
        f"All models of rating, over a month with {shape.records:,} records: {shape.tenants:,} "
        f"customers in four time zones with {shape.dimensions} charges each, of which every one "
        "aggregates or prices in another way. All usage was found in what was rated, once.",
        [
            Verdict(
                8,
                f"{shape.tenants:,} customers x {shape.dimensions} charges, seconds",
                seconds,
                "at most",
                SECONDS,
            )
        ],
        [_builds(builds), _models(models)],
    )


def _builds(builds: list[Build]) -> Table:
    rows = [
        [str(number), *(f"{build[key]:.2f}" for key in ("seconds", "server", "client"))]
        for number, build in enumerate(builds, start=1)
    ]
    return Table(["build", "seconds", "CPU of the server", "CPU of dbt"], rows)


def _models(models: Mapping[str, float]) -> Table:
    """Return what the dearest models cost where each runs alone."""
    dearest = sorted(models.items(), key=lambda model: -model[1])
    rows = [[name, f"{seconds:.2f}"] for name, seconds in dearest[:SHOWN_MODELS]]
    others = sum(seconds for _, seconds in dearest[SHOWN_MODELS:])
    rows.append([f"{len(dearest) - len(rows)} others", f"{others:.2f}"])
    return Table(["model", "CPU of the server, s"], rows)
