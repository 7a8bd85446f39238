"""Commands that move data: run, close, sync."""

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.printing import money
from orchestration.cli.session import Session, read_instant, read_month, session_of
from orchestration.failures import ActionNeeded, DefectInRun

if TYPE_CHECKING:
    from orchestration.running import JobRunner, RunOutcome

AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="T", help="The instant to rate as of; default: now."),
]


def run(
    context: typer.Context,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="D", help="First day to pull, of sources asked by day."),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="D", help="First day not to pull any more.")
    ] = None,
    as_of: AsOf = None,
) -> None:
    """Pull every source, journal what is new, rate it, and draft invoices."""
    session = session_of(context)
    tags = as_of_tags(as_of) | window_tags(from_, to)
    with session.jobs() as jobs:
        outcome = pull_all(session, jobs, tags)
        has_built = build_if_stale(session, jobs, tags)
    result = summary_of_run(session, outcome, has_built=has_built)
    session.printer.json(result)
    problems = [source["problem"] for source in result["sources"] if source["problem"]]
    if problems:
        raise ActionNeeded(
            "not every source could be read; the others went through\n" + "\n".join(problems)
        )


def close(
    context: typer.Context,
    period: Annotated[str, typer.Argument(metavar="PERIOD", help="The month, such as 2026-10.")],
    as_of: AsOf = None,
) -> None:
    """Finalise the invoices whose period ends in a month, as far as the gates allow."""
    from assets.partitions import FIRST_DAY

    month = read_month(period)
    session = session_of(context)
    _ = session.workspace
    if month > session.now().date():
        raise ActionNeeded(f"{period} has not begun: there is nothing to finalise in it")
    if month < date.fromisoformat(FIRST_DAY):
        raise ActionNeeded(f"{period} is before {FIRST_DAY}, the first day there is")
    with session.jobs() as jobs:
        tags = as_of_tags(as_of)
        build_if_stale(session, jobs, tags)
        closed = close_month(jobs, month.isoformat(), tags)
        build_if_stale(session, jobs, tags)
    print_close(session, period, closed)


def close_month(jobs: "JobRunner", partition_key: str, tags: dict[str, str]) -> dict[str, Any]:
    """Finalise the drafts of the latest build that end in a month."""
    from assets.keys import INVOICES

    outcome = jobs.run("close", tags=tags, partition_key=partition_key)
    require_success(outcome)
    return dict(outcome.materialised(INVOICES) or {})


def pull_all(session: Session, jobs: "JobRunner", tags: dict[str, str]) -> "RunOutcome | None":
    """Pull every source; one that cannot be read is reported and does not stop the others."""
    if not session.workspace.settings.sources:
        return None
    outcome = jobs.run("pull", tags=tags)
    require_success(outcome)
    return outcome


def build_if_stale(session: Session, jobs: "JobRunner", tags: dict[str, str]) -> bool:
    """Run the models where their inputs have changed since the last build; returns whether."""
    from assets.partitions import AS_OF_TAG
    from assets.transform.builds import is_up_to_date
    from assets.transform.parameters import current_inputs
    from connectors.dbt import start_dbt

    as_of = datetime.fromisoformat(tags[AS_OF_TAG]) if AS_OF_TAG in tags else session.now()
    with session.warehouse.begin() as connection:
        if is_up_to_date(connection, current_inputs(connection, session.workspace, as_of)):
            return False
    # It gets ready while the pipeline is loaded.
    start_dbt()
    require_success(jobs.run("build", tags=tags))
    return True


def print_close(session: Session, period: str, closed: dict[str, Any]) -> None:
    """Print what a close did and what held the rest."""
    finalised: dict[str, str] = closed.get("finalised", {})
    held: dict[str, str] = closed.get("held", {})
    session.printer.json({"period": period, "finalised": finalised, "held": held})
    if finalised:
        session.printer.table(
            ["Invoice", "Number"], list(finalised.items()), title=f"Finalised in {period}"
        )
    if held:
        session.printer.table(["Draft", "Held because"], list(held.items()), title="Held back")
    if not finalised and not held:
        session.printer.line(f"There is nothing left to finalise in {period}.")
    elif finalised and session.workspace.settings.billing.approval == "manual":
        session.printer.line("Next: meterhouse approve --all, or name invoices.")


def sync(context: typer.Context) -> None:
    """Read from Stripe what became of the posted invoices."""
    from assets.keys import STRIPE_INVOICES

    session = session_of(context)
    with session.jobs() as jobs:
        outcome = jobs.run("sync_payments")
        require_success(outcome)
        build_if_stale(session, jobs, {})
    found = dict(outcome.materialised(STRIPE_INVOICES) or {})
    session.printer.json(found)
    counts = found.get("by_status", {})
    session.printer.table(["Status in Stripe", "Invoices"], sorted(counts.items()))
    session.printer.line(f"{found.get('changed_count', 0)} changed since the last look.")


def verify(
    context: typer.Context,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="D", help="From when on to look at what has landed; default: since it passed."
        ),
    ] = None,
) -> None:
    """Look closer than a run has time for: what has landed, the whole journal, every rollup."""
    from orchestration.cli.billing import require_marts

    instant = read_instant(since, "--since")
    session = session_of(context)
    require_marts(session)
    config = {} if instant is None else {"config": {"since": instant.isoformat()}}
    with session.jobs() as jobs:
        outcome = jobs.run("verify", run_config={"ops": {"landed_suites": config}})
    require_success(outcome)
    session.printer.json({"run_id": outcome.run_id, "passed": True})
    session.printer.line("Everything holds: what has landed, the whole journal, every rollup.")


def as_of_tags(given: str | None) -> dict[str, str]:
    """Return the run tag for an as-of instant."""
    instant = read_instant(given, "--as-of")
    return {} if instant is None else {"meterhouse/as_of": instant.isoformat()}


def window_tags(from_: str | None, to: str | None) -> dict[str, str]:
    """Return the run tags for a window; one end alone reaches to now, or is refused."""
    start, end = read_instant(from_, "--from"), read_instant(to, "--to")
    if start is None and end is None:
        return {}
    if start is None:
        raise typer.BadParameter("--to needs --from")
    end = end or datetime.now(UTC)
    if end <= start:
        raise typer.BadParameter("--to must be later than --from: the window is half-open")
    return {"meterhouse/from": start.isoformat(), "meterhouse/to": end.isoformat()}


def require_success(outcome: "RunOutcome") -> None:
    """Raise what the user has to know about a run that failed."""
    if outcome.is_successful:
        return
    checks = {(check.asset, check.name) for check in outcome.failed_checks if check.is_error}
    lines = [f"{problem.step}: {problem.message}" for problem in outcome.problems]
    lines += [f"check failed: {asset}: {name}" for asset, name in sorted(checks)]
    lines.append(f"The run is {outcome.run_id}; `meterhouse ui` shows it.")
    if outcome.log_file is not None:
        lines.append(f"Details: {outcome.log_file}")
    message = f"the job {outcome.job_name} failed\n" + "\n".join(lines)
    if any(problem.is_defect for problem in outcome.problems):
        raise DefectInRun(message)
    raise ActionNeeded(message)


def summary_of_run(
    session: Session, outcome: "RunOutcome | None", *, has_built: bool
) -> dict[str, Any]:
    """Return and print what a run has brought and made."""
    from orchestration.cli.summaries import drafts_by_currency, source_rows

    sources = [] if outcome is None else source_rows(session, outcome, has_built=has_built)
    drafts = drafts_by_currency(session.warehouse)
    printer = session.printer
    printer.table(
        ["Source", "Delivered", "Journaled", "Duplicates", "Quarantined", "Problem"],
        [
            [
                row["source"],
                row["delivered"],
                row["journaled"],
                row["duplicates"],
                row["quarantined"],
                "could not be read" if row["problem"] else "",
            ]
            for row in sources
        ],
        title="This run",
    )
    if not has_built:
        printer.line("Nothing has changed since the last build: no model was run.")
    if drafts:
        printer.table(
            ["Drafts in", "Invoices", "Total"],
            [
                [row["currency"], row["invoices"], money(row["total"], row["currency"])]
                for row in drafts
            ],
        )
    return {
        "run_id": None if outcome is None else outcome.run_id,
        "has_built": has_built,
        "sources": sources,
        "drafts": drafts,
    }
