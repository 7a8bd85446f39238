"""``python -m benchmarks``: measure everything side by side, and write ``RESULTS.md``."""

import argparse
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg2

from benchmarks import machine
from benchmarks.bench import Bench, Sizes
from benchmarks.measuring import StepFailed, gist
from benchmarks.parts import database, journal, landing, rating, shapes, whole
from benchmarks.progress import say
from benchmarks.report import Section, failed_section, page
from benchmarks.server import Server

# Each part with the goals that it measures.
PARTS: dict[str, tuple[Callable[[Bench], Section], tuple[int, ...]]] = {
    "landing": (landing.run, (1,)),
    "database": (database.run, (1,)),
    "journal": (journal.run, (2, 3)),
    "whole": (whole.run, (4, 5)),
    "shapes": (shapes.run, (7,)),
    "rating": (rating.run, (8,)),
}
RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> int:
    """Run what the command line asks for; 1 if a part could not be measured at all."""
    arguments = _arguments()
    directory = arguments.directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    server = Server(directory / "server")
    sizes = Sizes(arguments.rows, arguments.landing_rows, arguments.runs, arguments.heavy_runs)
    bench = Bench(sizes, directory, server)
    described = machine.describe(server.described())
    sections: list[Section] = []
    try:
        for name in arguments.only or PARTS:
            sections.append(_measured(name, bench))
            # After every part, so that what has been measured is not lost with what comes.
            text = page(described, _asked(sys.argv[1:]), sections)
            arguments.output.write_text(text)
    finally:
        server.stop()
    say(f"wrote {arguments.output}")
    return int(any(section.has_failed for section in sections))


def _asked(options: Sequence[str]) -> str:
    """Return the options without the folders of this machine."""
    kept = [
        option
        for before, option in zip(("", *options), options, strict=False)
        if not {before, option} & {"--directory", "--output"}
    ]
    return shlex.join(kept)


def _measured(name: str, bench: Bench) -> Section:
    say(f"--- {name}")
    run, goals = PARTS[name]
    try:
        return run(bench)
    except (StepFailed, psycopg2.Error, OSError) as error:
        # The other parts can still be measured.
        say(f"{name} failed: {error}")
        return failed_section(name.capitalize(), goals, gist(str(error)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="records of the journal")
    parser.add_argument(
        "--landing-rows", type=int, default=1_000_000, help="records of landing, shapes and rating"
    )
    parser.add_argument("--runs", type=int, default=3, help="runs of every way")
    parser.add_argument("--heavy-runs", type=int, default=1, help="runs of what takes minutes")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=" ".join(PARTS))
    parser.add_argument("--output", type=Path, default=RESULTS, help="the report")
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path(tempfile.gettempdir()) / "meterhouse-benchmarks",
        help="where data and the server lie; some 15 GB at the default sizes",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
