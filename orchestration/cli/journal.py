"""Commands about the journal: archiving months of it, and bringing them back."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli.session import read_month, session_of

app = typer.Typer(help="The journal: archive months of it, restore them.", no_args_is_help=True)


@app.command()
def archive(
    context: typer.Context,
    before: Annotated[
        str, typer.Option("--before", metavar="MONTH", help="The first month that stays.")
    ],
    to: Annotated[
        Path, typer.Option("--to", metavar="DIR", help="Where the archive's folder is made.")
    ],
) -> None:
    """Move the entries of whole UTC months into Parquet files; what is archived is still known."""
    from assets.retention.archiving import archive_journal

    boundary = read_month(before, "--before")
    session = session_of(context)
    with session.printer.waiting(f"Archiving what was used before {before}"):
        report = archive_journal(session.warehouse, boundary, to, datetime.now(UTC))
    session.printer.json(
        {
            "archive": report.archive_id,
            "directory": report.directory,
            "entries": report.entry_count,
            "entries_kept": report.kept_count,
            "months": [
                {
                    "month": f"{month.month:%Y-%m}",
                    "entries": month.entry_count,
                    "bytes": month.file_bytes,
                }
                for month in report.months
            ],
        }
    )
    session.printer.table(
        ["Month", "Entries", "Bytes", "File"],
        [
            [f"{month.month:%Y-%m}", month.entry_count, month.file_bytes, month.file]
            for month in report.months
        ],
        title=f"Archive {report.archive_id}",
    )
    session.printer.line(
        f"{report.kept_count} entries of these months stay: what takes part in a correction, or "
        "lies where a period begins or ends."
    )
    session.printer.line(f"`meterhouse journal restore {report.archive_id}` brings them back.")


@app.command()
def archives(context: typer.Context) -> None:
    """List the archives, with what is in them and where they were written."""
    from assets.retention.ledger import list_archives

    session = session_of(context)
    with session.warehouse.begin() as connection:
        found = list_archives(connection)
    session.printer.json(
        [
            {
                "archive": archive.archive_id,
                "months": months_of(archive.months),
                "entries": archive.entry_count,
                "bytes": archive.file_bytes,
                "directory": archive.directory,
                "archived_at": archive.archived_at,
                "restored_at": archive.restored_at,
            }
            for archive in found
        ]
    )
    session.printer.table(
        ["Archive", "Months", "Entries", "Bytes", "Directory", "Archived", "Restored"],
        [
            [
                archive.archive_id,
                ", ".join(months_of(archive.months)),
                archive.entry_count,
                archive.file_bytes,
                archive.directory,
                archive.archived_at,
                archive.restored_at,
            ]
            for archive in found
        ],
    )
    if not found:
        session.printer.line("Nothing of the journal is archived.")


@app.command()
def restore(
    context: typer.Context,
    archive_id: Annotated[int, typer.Argument(metavar="ARCHIVE", help="Its number.")],
    from_: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="Where its files are now, if they were moved."),
    ] = None,
) -> None:
    """Put the entries of an archive back into the journal; its files stay where they are."""
    from assets.retention.restoring import restore_journal

    session = session_of(context)
    with session.printer.waiting(f"Restoring archive {archive_id}"):
        report = restore_journal(session.warehouse, archive_id, datetime.now(UTC), from_)
    session.printer.json(
        {
            "archive": report.archive_id,
            "months": report.month_count,
            "entries": report.entry_count,
        }
    )
    session.printer.line(
        f"{report.entry_count} entries of {report.month_count} months are back in the journal. "
        "Next: meterhouse quarantine replay, for what was refused because of them."
    )


def months_of(months: tuple[date, ...]) -> list[str]:
    """Return months as people write them."""
    return [f"{month:%Y-%m}" for month in months]
