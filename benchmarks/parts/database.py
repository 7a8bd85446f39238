"""Postgres to Postgres: us, a pipe of two COPYs, dlt and sling."""

import os
import subprocess
from functools import partial

from benchmarks.bench import Bench
from benchmarks.generator import TABLE, Dataset, Shape
from benchmarks.measuring import Measured, Series, StepFailed, Way, run_step, side_by_side, timed
from benchmarks.parts.landing import TABLE as LANDING_TABLE
from benchmarks.parts.landing import in_database, landing_table
from benchmarks.progress import say
from benchmarks.report import Section, Verdict, ratio, table_of
from benchmarks.server import Server

SOURCE_TABLE = "public.usage_events"
LANDED = "COPY pipe, text, of what we land"
COLUMNS = "id, occurred_at, tenant_id, dimension_id, value, metadata, updated_at"


def run(bench: Bench) -> Section:
    """Measure goal 1, as far as a database is the source."""
    dataset = bench.dataset(Shape(bench.sizes.landing_rows, batches=4))
    rows = dataset.truth().delivered
    with bench.server.database() as source, landing_table(bench.server) as landed:
        _fill(bench.server, source, dataset)
        _pull(bench.server, source, landed, rows)
        series = side_by_side(_ways(bench.server, source, landed, rows), bench.sizes.runs, say)
    return _section(rows, series)


def _fill(server: Server, source: str, dataset: Dataset) -> None:
    """Make the product's own table, with the index on its cursor that any pull needs."""
    server.execute(source, TABLE.format(name=SOURCE_TABLE))
    server.execute(source, f'alter table {SOURCE_TABLE} owner to "{server.address(source).user}"')
    server.load_csv(source, SOURCE_TABLE, dataset.table_rows())
    server.execute(source, f"create index on {SOURCE_TABLE} (updated_at)")
    server.execute(source, f"vacuum analyze {SOURCE_TABLE}")


def _ways(server: Server, source: str, landed: str, rows: int) -> list[Way]:
    address = server.url(source, driver="postgresql")

    sling = {"stream": SOURCE_TABLE, "source": address}

    def dlt(backend: str) -> Way:
        arguments = {"source": server.url(source), "backend": backend}
        table = {"table": SOURCE_TABLE.partition(".")[2], **arguments}
        load = partial(in_database, server, "dlt_table", table)
        return Way(f"dlt, {backend}", rows, load)

    return [
        Way("COPY pipe, text", rows, partial(_pipe, server, source, "text"), "psql to psql"),
        Way("COPY pipe, binary", rows, partial(_pipe, server, source, "binary"), "psql to psql"),
        Way(LANDED, rows, partial(_pipe_landed, server, landed), "psql to psql"),
        Way("ours", rows, partial(_land, server, source, rows)),
        dlt("pyarrow"),
        dlt("connectorx"),
        Way("sling", rows, partial(in_database, server, "sling_stream", sling)),
    ]


def _section(rows: int, series: dict[str, Series]) -> Section:
    pipe = series["COPY pipe, text"]
    return Section(
        "Postgres to landing",
        f"{rows:,} rows of a table of another database on the same server. The pipe ends in a "
        "table like the one it began in, without an index.",
        [
            Verdict(
                1, "Postgres, of a COPY pipe's rate", ratio(series["ours"], pipe), "at least", 0.70
            )
        ],
        [table_of(series.values(), pipe)],
        [
            f"With the rows that ours lands, into a landing table, the pipe makes "
            f"{ratio(series[LANDED], pipe):.2f} of that rate: they also have a key and a place, "
            "and there nobody reads, checks or hashes them, or puts them in the cursor's order.",
        ],
    )


def _land(server: Server, source: str, rows: int) -> Measured:
    with landing_table(server) as name:
        server.settle()
        return _pull(server, source, name, rows)


def _pull(server: Server, source: str, name: str, rows: int) -> Measured:
    """Land the table in a warehouse; anything but all of its rows is a failure."""
    arguments = {"url": server.url(source, driver="postgresql"), "table": SOURCE_TABLE}
    measured = run_step("ours", "land_table", arguments, **server.variables(name))
    if measured.result["rows"] != rows:
        raise StepFailed(f"landed {measured.result['rows']} rows of {rows}")
    return measured


def _pipe(server: Server, source: str, form: str) -> Measured:
    """Copy the table into another of the same columns, without an index."""
    with server.database() as target:
        server.execute(target, TABLE.format(name="copied"))
        server.execute(target, f'alter table copied owner to "{server.address(target).user}"')
        reading = f"copy {SOURCE_TABLE} ({COLUMNS}) to stdout (format {form})"
        writing = f"copy copied ({COLUMNS}) from stdin (format {form})"
        return _copied(server, (source, reading), (target, writing))


def _pipe_landed(server: Server, landed: str) -> Measured:
    """Copy what has landed, with its keys and numbers, into another landing table."""
    with landing_table(server) as target:
        reading = f"copy (select * from {LANDING_TABLE}) to stdout"
        writing = f"copy {LANDING_TABLE} from stdin"
        return _copied(server, (landed, reading), (target, writing))


def _copied(server: Server, reading: tuple[str, str], writing: tuple[str, str]) -> Measured:
    """Time a pipe of two statements, each with its database."""
    server.settle()

    def copied() -> None:
        with subprocess.Popen(
            [server.psql, "-Xqc", reading[1]],
            env={**os.environ, **server.psql_variables(reading[0])},
            stdout=subprocess.PIPE,
        ) as reader:
            subprocess.run(
                [server.psql, "-Xqc", writing[1]],
                env={**os.environ, **server.psql_variables(writing[0])},
                stdin=reader.stdout,
                check=True,
            )

    return timed(copied)
