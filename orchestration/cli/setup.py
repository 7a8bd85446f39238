"""Commands that begin: init and check."""

import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli.session import Session, session_of
from orchestration.failures import ActionNeeded


def init(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(help="The folder to write; it may exist.")],
) -> None:
    """Write a commented workspace to begin with; files that exist are left as they are."""
    from orchestration.cli.starter.writing import write_starter

    session = session_of(context)
    if directory.is_file():
        raise ActionNeeded(f"{directory} is a file: name a folder")
    try:
        written = write_starter(directory, datetime.now(UTC).date())
    except OSError as error:
        raise ActionNeeded(f"{directory} cannot be written: {error.strerror}") from None
    session.printer.json({"written": [str(file) for file in written]})
    for file in written:
        session.printer.line(f"wrote {file}")
    if not written:
        session.printer.line("Everything was there already; nothing was written.")
    command = f"meterhouse -w {shlex.quote(str(directory))}"
    session.printer.line(f"Next: {command} check, then: {command} run")


def check(context: typer.Context) -> None:
    """Check settings, catalog and connections; all that is wrong at once."""
    session = session_of(context)
    results = [*configuration_results(session)]
    if all(problem is None for _, problem in results):
        results += connection_results(session)
    session.printer.json([{"checked": name, "problem": problem} for name, problem in results])
    session.printer.table(
        ["Checked", "Result"], [[name, problem or "OK"] for name, problem in results]
    )
    bad = sum(problem is not None for _, problem in results)
    if bad:
        raise ActionNeeded(f"{bad} of {len(results)} checks failed: see above")


def configuration_results(session: Session) -> list[tuple[str, str | None]]:
    """Return what is wrong with the files; every problem is a line."""
    from models.problems import ConfigurationError

    results: list[tuple[str, str | None]] = []
    try:
        _ = session.workspace
        results.append(("meterhouse.yml", None))
    except ConfigurationError as error:
        results.append(("meterhouse.yml", str(error)))
    try:
        if results[0][1] is None:
            _ = session.catalog
        else:
            from models.catalog import load_catalog

            # The catalog can be read without the settings' defaults, to show all errors at once.
            load_catalog(session.directory / "catalog")
        results.append(("catalog", None))
    except ConfigurationError as error:
        results.append(("catalog", str(error)))
    return results


def connection_results(session: Session) -> list[tuple[str, str | None]]:
    """Return what is wrong with the outside systems, each of them tried."""
    from orchestration.cli.connections import connection_checks
    from orchestration.failures import speaks_to_user

    results: list[tuple[str, str | None]] = []
    for name, attempt in connection_checks(session):
        with session.printer.waiting(f"Trying {name}"):
            try:
                attempt()
                results.append((name, None))
            except Exception as error:
                if not speaks_to_user(error):
                    raise
                results.append((name, str(error)))
    return results
