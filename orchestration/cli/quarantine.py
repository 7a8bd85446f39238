"""Commands about quarantined rows: list, show, replay, waive."""

from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.printing import shown
from orchestration.cli.session import session_of
from orchestration.failures import ActionNeeded

if TYPE_CHECKING:
    from assets.ingestion.refused import RefusedRecord
    from assets.ingestion.replay import Choice, QuarantinedRow
    from orchestration.cli.session import Session

app = typer.Typer(help="Delivered rows that could not be read.", no_args_is_help=True)

Source = Annotated[str | None, typer.Option(help="Only rows of a source.")]
Reason = Annotated[str | None, typer.Option(help="Only rows with a reason.")]
Delivery = Annotated[int | None, typer.Option(help="Only rows of a delivery.")]
RowNumber = Annotated[int | None, typer.Option("--row", help="Only one row; needs --delivery.")]
RECORD_SHOWN = 120


@app.command("list")
def list_(context: typer.Context, source: Source = None, reason: Reason = None) -> None:
    """Count quarantined rows by source and reason."""
    from assets.ingestion.refused import count_refused
    from assets.ingestion.replay import count_quarantine
    from assets.retention.replaying import REASONS

    session = session_of(context)
    choice = chosen(session, source, reason)
    counts = [
        {
            "source": name,
            "reason": why,
            "rows": rows,
            "can_be_replayed": is_unread or why in REASONS,
        }
        for count, is_unread in ((count_quarantine, True), (count_refused, False))
        for name, why, rows in count(session.warehouse, choice)
    ]
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
    row: RowNumber = None,
    limit: Annotated[int, typer.Option(help="How many rows.", min=1)] = 20,
) -> None:
    """Show quarantined rows with where they came from, the latest first; one row in full."""
    from dataclasses import asdict

    from assets.ingestion.refused import list_refused
    from assets.ingestion.replay import list_quarantine

    session = session_of(context)
    choice = chosen(session, source, reason, delivery, row)
    found: list[QuarantinedRow | RefusedRecord] = []
    found += list_quarantine(session.warehouse, choice, limit=limit)
    found += list_refused(session.warehouse, choice, limit=limit - len(found))
    session.printer.json([{**asdict(each), "detail": each.detail} for each in found])
    if row is not None:
        for each in found:
            session.printer.table(["Field", "Value"], in_full(each))
    else:
        session.printer.table(
            ["Source", "Object", "Delivery", "Row", "Reason", "Detail", "Record"],
            [shortened(each) for each in found],
        )
    if not found:
        session.printer.line("Nothing in quarantine is like that.")


def shortened(row: "QuarantinedRow | RefusedRecord") -> list[object]:
    """Return a row for a table of many."""
    return [
        row.source,
        row.object,
        row.delivery_id,
        row.row_number,
        row.reason,
        row.detail,
        as_text(row.record)[:RECORD_SHOWN],
    ]


def in_full(row: "QuarantinedRow | RefusedRecord") -> list[list[object]]:
    """Return all that is known of a row, and of the entry that stands instead."""
    from dataclasses import asdict

    pairs: list[list[object]] = []
    for name, value in {**asdict(row), "detail": row.detail}.items():
        pairs += (
            [[f"{name}.{part}", of_part] for part, of_part in value.items()]
            if isinstance(value, dict)
            else [[name, value]]
        )
    return pairs


def as_text(record: str | dict[str, object]) -> str:
    """Return a row as it was delivered, or a record that could be read, as one line."""
    if isinstance(record, str):
        return record
    said = {name: value for name, value in record.items() if value is not None}
    return ", ".join(f"{name} {shown(value)}" for name, value in said.items())


@app.command()
def replay(
    context: typer.Context,
    source: Source = None,
    reason: Reason = None,
    delivery: Delivery = None,
    row: RowNumber = None,
) -> None:
    """Read quarantined rows again with the settings as they are now; the next run journals them.

    What was refused because of an archive is replayed once that is restored.
    """
    from assets.ingestion.replay import replay_quarantine
    from assets.retention.replaying import replay_refused

    session = session_of(context)
    choice = chosen(session, source, reason, delivery, row)
    counts = []
    for configured in session.workspace.settings.sources:
        if source in (None, configured.name):
            given = (session.warehouse, configured, session.now(), choice)
            unread = replay_quarantine(*given, session.workspace.directory)
            refused = replay_refused(*given)
            counts.append(
                {
                    "source": configured.name,
                    "replayed": unread.replayed_count + refused.replayed_count,
                    "remaining": unread.remaining_count + refused.remaining_count,
                }
            )
    session.printer.json(counts)
    session.printer.table(
        ["Source", "Replayed", "Still quarantined"], [list(count.values()) for count in counts]
    )
    if any(count["replayed"] for count in counts):
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
    from assets.ingestion.refused import waive_refused
    from assets.ingestion.replay import waive_quarantine

    if source is None and reason is None and delivery is None and row is None:
        raise typer.BadParameter("say which rows: --source, --reason or --delivery")
    session = session_of(context)
    choice = chosen(session, source, reason, delivery, row)
    count = waive_quarantine(session.warehouse, choice) + waive_refused(session.warehouse, choice)
    session.printer.json({"waived": count})
    session.printer.line(f"Waived {count} rows.")


def chosen(
    session: "Session",
    source: str | None,
    reason: str | None = None,
    delivery: int | None = None,
    row: int | None = None,
) -> "Choice":
    """Return which rows are meant; a source or reason that there is none of is refused."""
    from assets.ingestion.refused import REASONS
    from assets.ingestion.replay import Choice
    from models import delivered

    if row is not None and delivery is None:
        raise typer.BadParameter("--row needs --delivery")
    names = [configured.name for configured in session.workspace.settings.sources]
    require_known("source", source, names)
    require_known("reason", reason, [*map(str, delivered.Reason), *REASONS])
    return Choice(source=source, reason=reason, delivery_id=delivery, row_number=row)


def require_known(what: str, given: str | None, known: list[str]) -> None:
    """Refuse a name that there is none of, with the one that may be meant."""
    from models.problems import did_you_mean, listed

    if given is not None and given not in known:
        hint = did_you_mean(given, known) or f"; there are {listed(known)}"
        raise ActionNeeded(f"there is no {what} {given}{hint}")
