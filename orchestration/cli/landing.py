"""Commands about what has landed: dropping days of it."""

from datetime import date
from typing import Annotated

import typer

from orchestration.cli.session import session_of

app = typer.Typer(help="What sources have landed.", no_args_is_help=True)


@app.callback()
def landing() -> None:
    """What sources have landed."""


@app.command()
def drop(
    context: typer.Context,
    before: Annotated[
        str, typer.Option("--before", metavar="DAY", help="The first UTC day that stays.")
    ],
) -> None:
    """Drop the landed records of whole days, once the journal has all of them."""
    from dataclasses import asdict

    from assets.retention.landed_days import drop_landed_days

    session = session_of(context)
    report = drop_landed_days(session.warehouse, read_day(before), session.now())
    session.printer.json(asdict(report))
    session.printer.table(
        ["Dropped", "Deliveries", "Records", "Refused ones kept"],
        [[day.day, day.delivery_count, day.row_count, day.refused_count] for day in report.dropped],
    )
    if report.kept:
        session.printer.table(["Kept", "Because"], [[day.day, day.reason] for day in report.kept])
    if not report.dropped and not report.kept:
        session.printer.line(f"Nothing has landed before {before} that is still there.")


@app.command()
def vanished(
    context: typer.Context,
    since: Annotated[
        str, typer.Option(metavar="DAY", help="The first UTC day of usage that is looked at.")
    ] = "1970-01-01",
) -> None:
    """List the days whose rows have gone from Postgres tables since they landed."""
    from dataclasses import asdict
    from datetime import UTC, datetime, time

    from assets.ingestion.vanished import vanished_rows
    from models.settings import PostgresSource

    session = session_of(context)
    first = datetime.combine(read_day(since, "--since"), time(), UTC)
    found = [
        day
        for source in session.workspace.settings.sources
        if isinstance(source, PostgresSource)
        for day in vanished_rows(session.warehouse, source, first)
    ]
    session.printer.json([asdict(day) for day in found])
    session.printer.table(
        ["Source", "Day", "Rows gone", "Such as"],
        [[day.source, day.usage_date, day.row_count, ", ".join(day.examples)] for day in found],
    )
    if not found:
        session.printer.line("No journaled row has gone from its table.")


def read_day(given: str, option: str = "--before") -> date:
    """Return a day."""
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise typer.BadParameter(
            f"{given} is not a day such as 2026-10-01", param_hint=option
        ) from None
