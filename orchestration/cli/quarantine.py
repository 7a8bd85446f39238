"""Commands about quarantined rows: list, show, replay, waive."""

from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.session import session_of
from orchestration.failures import ActionNeeded

if TYPE_CHECKING:
    from assets.ingestion.replay import Choice
    from orchestration.cli.session import Session

app = typer.Typer(help="Delivered rows that could not be read.", no_args_is_help=True)

Source = Annotated[str | None, typer.Option(help="Only rows of a source.")]
Reason = Annotated[str | None, typer.Option(help="Only rows with a reason.")]
Delivery = Annotated[int | None, typer.Option(help="Only rows of a delivery.")]
RowNumber = Annotated[int | None, typer.Option("--row", help="Only one row; needs --delivery.")]
RECORD_SHOWN = 120

CONFLICTS = """
    select
        conflicts.reason, deliveries.source, count(*)::bigint as row_count
    from journal.jnl_conflicting_records as conflicts
    inner join raw.deliveries as deliveries on conflicts.delivery_id = deliveries.delivery_id
    where (cast(:source as text) is null or deliveries.source = :source)
    group by conflicts.reason, deliveries.source
    order by deliveries.source, conflicts.reason
"""


@app.command("list")
def list_(context: typer.Context, source: Source = None, reason: Reason = None) -> None:
    """Count quarantined rows by source and reason."""
    from assets.ingestion.replay import count_quarantine

    session = session_of(context)
    counts = [
        {"source": name, "reason": why, "rows": count, "can_be_replayed": True}
        for name, why, count in count_quarantine(session.warehouse, chosen(session, source, reason))
    ]
    counts += [count for count in conflicts(session, source) if reason in (None, count["reason"])]
    session.printer.json(counts)
    session.printer.table(
        ["Source", "Reason", "Rows"],
        [[count["source"], count["reason"], count["rows"]] for count in counts],
    )
    if not counts:
        session.printer.line("Nothing is in quarantine.")
    else:
        session.printer.line(
            "`meterhouse quarantine show` shows rows; after mending a mapping: quarantine replay."
        )


@app.command()
def show(
    context: typer.Context,
    source: Source = None,
    reason: Reason = None,
    delivery: Delivery = None,
    limit: Annotated[int, typer.Option(help="How many rows.", min=1)] = 20,
) -> None:
    """Show quarantined rows with where they came from, the latest first."""
    from dataclasses import asdict

    from assets.ingestion.replay import list_quarantine

    session = session_of(context)
    found = list_quarantine(
        session.warehouse, chosen(session, source, reason, delivery), limit=limit
    )
    session.printer.json([asdict(row) for row in found])
    session.printer.table(
        ["Source", "Object", "Delivery", "Row", "Reason", "Detail", "Record"],
        [
            [
                row.source,
                row.object,
                row.delivery_id,
                row.row_number,
                row.reason,
                row.detail,
                row.record[:RECORD_SHOWN],
            ]
            for row in found
        ],
    )


@app.command()
def replay(
    context: typer.Context,
    source: Source = None,
    reason: Reason = None,
    delivery: Delivery = None,
) -> None:
    """Read quarantined rows again with the settings as they are now; the next run journals them."""
    from assets.ingestion.replay import replay_quarantine

    session = session_of(context)
    choice = chosen(session, source, reason, delivery)
    reports = [
        replay_quarantine(session.warehouse, configured, session.now(), choice)
        for configured in session.workspace.settings.sources
        if source in (None, configured.name)
    ]
    session.printer.json(
        [
            {
                "source": report.source,
                "replayed": report.replayed_count,
                "remaining": report.remaining_count,
            }
            for report in reports
        ]
    )
    session.printer.table(
        ["Source", "Replayed", "Still quarantined"],
        [[report.source, report.replayed_count, report.remaining_count] for report in reports],
    )
    if any(report.replayed_count for report in reports):
        session.printer.line("Next: meterhouse run, which journals what was replayed.")


@app.command()
def waive(
    context: typer.Context,
    source: Source = None,
    reason: Reason = None,
    delivery: Delivery = None,
    row: RowNumber = None,
) -> None:
    """Give up quarantined rows: they are kept, and asked about no more."""
    from assets.ingestion.replay import waive_quarantine

    if source is None and reason is None and delivery is None:
        raise typer.BadParameter("say which rows: --source, --reason or --delivery")
    if row is not None and delivery is None:
        raise typer.BadParameter("--row needs --delivery")
    session = session_of(context)
    count = waive_quarantine(session.warehouse, chosen(session, source, reason, delivery, row))
    session.printer.json({"waived": count})
    session.printer.line(f"Waived {count} rows.")


def chosen(
    session: "Session",
    source: str | None,
    reason: str | None = None,
    delivery: int | None = None,
    row: int | None = None,
) -> "Choice":
    """Return which rows are meant; an unknown source is refused."""
    from assets.ingestion.replay import Choice
    from models.problems import did_you_mean, listed

    names = [configured.name for configured in session.workspace.settings.sources]
    if source is not None and source not in names:
        hint = did_you_mean(source, names) or f"; there are {listed(names)}"
        raise ActionNeeded(f"there is no source {source}{hint}")
    return Choice(source=source, reason=reason, delivery_id=delivery, row_number=row)


def conflicts(session: "Session", source: str | None) -> list[dict[str, object]]:
    """Return the records whose id or correction contradicts an earlier one, counted."""
    from orchestration.cli.summaries import relation_exists, rows

    if not relation_exists(session.warehouse, "journal.jnl_conflicting_records"):
        return []
    return [
        {
            "source": row["source"],
            "reason": row["reason"],
            "rows": row["row_count"],
            "can_be_replayed": False,
        }
        for row in rows(session.warehouse, CONFLICTS, source=source)
    ]
