"""The whole story with stand-ins: pull, journal, cost, margins, invoices, Stripe."""

from typing import TYPE_CHECKING, Any

import typer

from orchestration.cli.session import Session, session_of
from orchestration.failures import ActionNeeded

if TYPE_CHECKING:
    from orchestration.running import JobRunner
    from sandbox.start import SandboxAddresses

MONTHS = ("2026-08-01", "2026-09-01", "2026-10-01")
SANDBOX_FOLDER = "sandbox"
# The demo's customers pay two invoices in three, and the others not yet.
PAYING = (2, 3)


def demo(context: typer.Context) -> None:
    """Run everything on a demo company with stand-ins for every outside system."""
    session = session_of(context)
    refuse_foreign_workspace(session)
    addresses = set_up(session)
    before = counts(session)
    with session.jobs() as jobs:
        pulled = pull(session, jobs)
        bill(session, jobs)
        posted = deliver(session, jobs)
        pay(session, addresses, posted)
        settle(session, jobs)
    tell(session, pulled, before)


def refuse_foreign_workspace(session: Session) -> None:
    """Refuse to write into a workspace that the demo has not made."""
    from models.workspace import SETTINGS_FILE, STATE_FOLDER

    is_there = (session.directory / SETTINGS_FILE).exists()
    is_ours = (session.directory / STATE_FOLDER / SANDBOX_FOLDER).is_dir()
    if is_there and not is_ours:
        raise ActionNeeded(
            f"{session.directory} is a workspace of yours: name another folder for the demo, "
            "as in meterhouse -w demo demo"
        )


def set_up(session: Session) -> "SandboxAddresses":
    """Write the company and its workspace, and start the stand-ins."""
    from connectors.embedded_databases import DAGSTER_DATABASE, OWNER
    from connectors.embedded_postgres import EmbeddedPostgres
    from models.workspace import STATE_FOLDER
    from orchestration.schedules import SCHEDULES_VARIABLE
    from sandbox.app_database import seed_app_database
    from sandbox.company import DEMO_AS_OF
    from sandbox.start import COMPANY, SandboxServers
    from sandbox.workspace import write_demo_workspace

    state = session.directory.resolve() / STATE_FOLDER
    folder = state / SANDBOX_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    write_files(session, folder / COMPANY)
    with session.printer.waiting("Starting the stand-ins for AWS, Mixpanel and Stripe"):
        addresses = SandboxServers(folder).ensure_running()
    with session.printer.waiting("Starting the embedded Postgres"):
        server = EmbeddedPostgres(state)
        server.ensure_running()
        own = server.address(OWNER, DAGSTER_DATABASE)
        url = f"postgresql://{own.user}:{own.password}@{own.host}:{own.port}/{own.database}"
        app_database = seed_app_database(url, folder / COMPANY)
    write_demo_workspace(
        session.directory,
        {
            **addresses.environment(),
            "METERHOUSE_DEMO_APP_DB": app_database,
            "METERHOUSE_AS_OF": DEMO_AS_OF.isoformat(),
            SCHEDULES_VARIABLE: "on",
        },
    )
    return addresses


def write_files(session: Session, folder: Any) -> None:
    """Write the files of the company, with progress, unless they are there."""
    from rich.progress import BarColumn, Progress, TextColumn

    from sandbox.company.company import write_company

    with Progress(
        TextColumn("{task.description:<34}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[news]}"),
        console=session.printer.errors,
        disable=not session.printer.is_interactive,
    ) as progress:
        task = progress.add_task("Writing the demo company's files", total=None, news="")
        write_company(
            folder,
            lambda what, done, total: progress.update(task, completed=done, total=total, news=what),
        )


def pull(session: Session, jobs: "JobRunner") -> list[dict[str, Any]]:
    """Run the main job, and return what came of each source."""
    from orchestration.cli.pipeline import build_if_stale, pull_all
    from orchestration.cli.summaries import source_rows

    outcome = pull_all(session, jobs, as_of_tag())
    has_built = build_if_stale(session, jobs, as_of_tag())
    return [] if outcome is None else source_rows(session, outcome, has_built=has_built)


def bill(session: Session, jobs: "JobRunner") -> None:
    """Finalise the months that are over, and approve their invoices."""
    from assets.invoicing.approval import waiting_for_approval
    from orchestration.cli.pipeline import close_month, require_success
    from orchestration.schedules import months_to_close
    from sandbox.company import DEMO_AS_OF

    open_months = {f"{month}" for month in months_to_close(session.warehouse, DEMO_AS_OF)}
    for month in MONTHS:
        if month in open_months:
            # All of one build: what an earlier month leaves over is in its drafts already.
            close_month(jobs, month, as_of_tag())
    if waiting_for_approval(session.warehouse):
        config = {"everything": True, "actor": "demo"}
        require_success(
            jobs.run("approve", run_config={"ops": {"approve_invoices": {"config": config}}})
        )


def deliver(session: Session, jobs: "JobRunner") -> list[str]:
    """Post what is approved, with the job that the sensor starts; return what was posted."""
    from assets.delivery.posting import pending_postings
    from orchestration.cli.pipeline import require_success
    from orchestration.sensors import posting_config

    waiting = [posting.invoice_id for posting in pending_postings(session.warehouse)]
    if waiting:
        require_success(jobs.run("post_invoice", run_config=posting_config(waiting)))
    return waiting


def pay(session: Session, addresses: "SandboxAddresses", posted: list[str]) -> None:
    """Let customers of the stand-in pay some of the invoices that were just posted."""
    import httpx

    from orchestration.cli.summaries import rows

    found = rows(
        session.warehouse,
        "select stripe_invoice_id from billing.outbox"
        " where invoice_id = any(:posted) order by invoice_id",
        posted=posted,
    )
    paid, of = PAYING
    with httpx.Client(base_url=addresses.stripe_url, trust_env=False) as stripe:
        for number, row in enumerate(found):
            if number % of < paid:
                stripe.post(f"/_sandbox/pay/{row['stripe_invoice_id']}", json={"outcome": "paid"})


def settle(session: Session, jobs: "JobRunner") -> None:
    """Read back what Stripe says, and bring the marts up to date."""
    from orchestration.cli.pipeline import build_if_stale, require_success

    require_success(jobs.run("sync_payments"))
    build_if_stale(session, jobs, as_of_tag())


def as_of_tag() -> dict[str, str]:
    """Return the tag that makes a run speak as of the demo's instant."""
    from assets.partitions import AS_OF_TAG
    from sandbox.company import DEMO_AS_OF

    return {AS_OF_TAG: DEMO_AS_OF.isoformat()}


def counts(session: Session) -> dict[str, int]:
    """Return the rows of every table that is only added to."""
    from orchestration.cli.story import added_to

    return added_to(session.warehouse)


def tell(session: Session, pulled: list[dict[str, Any]], before: dict[str, int]) -> None:
    """Print the story, and whether anything is new in it."""
    from orchestration.cli.story import tell_story

    after = counts(session)
    tell_story(session, pulled, is_unchanged=before == after)
