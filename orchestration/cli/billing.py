"""Commands about invoices: list, explain, approve, post, void, recompute."""

import sys
from datetime import UTC, datetime
from getpass import getuser
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.pipeline import build_if_stale, require_success
from orchestration.cli.printing import money
from orchestration.cli.session import Session, session_of
from orchestration.failures import ActionNeeded

if TYPE_CHECKING:
    from assets.invoicing.approval import DocumentState
    from assets.invoicing.recompute import Recomputation

References = Annotated[
    list[str] | None, typer.Argument(metavar="INVOICE...", help="Ids or numbers of invoices.")
]
Reference = Annotated[str, typer.Argument(metavar="INVOICE", help="Id or number of an invoice.")]

INVOICES = """
    select
        invoice_id, invoice_number, document_number, kind, customer_id, contract_id, period_start,
        period_end, status, total, amount_paid, currency, stripe_invoice_id
    from marts.fct_invoices
    where (cast(:status as text) is null or status = :status)
    order by period_start, customer_id, contract_id, period_end
"""


RECOMPUTE_WAIT_SECONDS = 600
STATUSES = (
    "draft",
    "finalised",
    "approved",
    "posted",
    "open",
    "paid",
    "void",
    "uncollectible",
)


def invoices(
    context: typer.Context,
    status: Annotated[
        str | None,
        typer.Option(help=f"Only those in a status: {', '.join(STATUSES)}."),
    ] = None,
) -> None:
    """List invoices, drafts included, with their status and total."""
    from orchestration.cli.summaries import rows

    if status is not None and status not in STATUSES:
        raise typer.BadParameter(f"{status} is none of {', '.join(STATUSES)}")
    session = session_of(context)
    require_marts(session)
    found = rows(session.warehouse, INVOICES, status=status)
    session.printer.json(found)
    session.printer.table(
        ["Invoice", "Number", "Customer", "From", "To", "Status", "Total", ""],
        [
            [
                row["invoice_id"],
                row["invoice_number"],
                row["customer_id"],
                row["period_start"],
                row["period_end"],
                row["status"],
                money(row["total"], row["currency"]),
                row["currency"],
            ]
            for row in found
        ],
    )
    if not found:
        session.printer.line("There is no such invoice yet; `meterhouse run` drafts them.")


def approve(
    context: typer.Context,
    references: References = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Approve all finalised invoices that wait.")
    ] = False,
) -> None:
    """Approve finalised invoices; approved ones are posted to Stripe."""
    from assets.keys import INVOICE_EVENTS

    if bool(references) == everything:
        raise typer.BadParameter("name invoices, or say --all")
    session = session_of(context)
    config = {"invoices": references or [], "everything": everything, "actor": getuser()}
    with session.jobs() as jobs:
        outcome = jobs.run("approve", run_config={"ops": {"approve_invoices": {"config": config}}})
        require_success(outcome)
        build_if_stale(session, jobs, {})
    approved = (outcome.materialised(INVOICE_EVENTS) or {}).get("approved", [])
    session.printer.json({"approved": approved})
    session.printer.line(f"Approved {len(approved)} invoices.")
    if approved:
        session.printer.line("Next: meterhouse post, or leave it to the sensor of meterhouse ui.")


def post(context: typer.Context, references: References = None) -> None:
    """Post approved invoices to Stripe, each exactly once; all that wait, if none is named."""
    session = session_of(context)
    require_stripe(session)
    waiting = postings(session, references)
    if not waiting:
        session.printer.json({"posted": []})
        session.printer.line("No approved invoice waits to be posted.")
        return
    from orchestration.sensors import posting_config

    with session.jobs() as jobs:
        outcome = jobs.run("post_invoice", run_config=posting_config(waiting))
        require_success(outcome)
        build_if_stale(session, jobs, {})
    session.printer.json({"posted": waiting})
    session.printer.line(f"Posted {len(waiting)} invoices.")


def postings(session: Session, references: list[str] | None) -> list[str]:
    """Return the ids of the invoices to post."""
    from assets.delivery.posting import pending_postings

    if not references:
        return [posting.invoice_id for posting in pending_postings(session.warehouse)]
    documents = [document_named(session, reference).document_id for reference in references]
    return list(dict.fromkeys(documents))


def document_named(session: Session, reference: str) -> "DocumentState":
    """Return the document that a finalised invoice is on, by its id or number."""
    from assets.invoicing.approval import document_state

    with session.warehouse.begin() as connection:
        return document_state(connection, reference)


def void(
    context: typer.Context,
    reference: Reference,
    is_certain: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Void a finalised invoice and its document, in Stripe too; the periods open again."""
    from assets.delivery.voiding import void_invoice
    from orchestration.definitions import stripe_account

    if not is_certain and not sys.stdin.isatty():
        raise typer.BadParameter("say --yes where nobody can answer")
    session = session_of(context)
    document = document_named(session, reference)
    named = ", ".join(document.numbers)
    if not is_certain and not typer.confirm(f"Void {named}? This cannot be undone", err=True):
        raise typer.Abort
    stripe = stripe_account(session.workspace)
    ended = void_invoice(
        session.warehouse, stripe, document.document_id, actor=getuser(), now=datetime.now(UTC)
    )
    with session.jobs() as jobs:
        build_if_stale(session, jobs, {})
    session.printer.json(
        {
            "invoice_id": document.document_id,
            "invoices": list(document.numbers),
            "stripe_invoice_id": ended,
        }
    )
    session.printer.line(f"Voided {named}{f', {ended} in Stripe' if ended else ''}.")


def recompute(context: typer.Context, reference: Reference) -> None:
    """Rate a finalised invoice again from the journal as it stood, and compare."""
    from assets.invoicing.recompute import (
        SELECTION,
        TARGET,
        compare_recomputation,
        prepare_recomputation,
    )
    from connectors.dbt import run_project

    session = session_of(context)
    failed = []
    # The schemas it is rated in are one set: two at once would rate each other's invoice.
    with session.warehouse.locked("recompute", RECOMPUTE_WAIT_SECONDS):
        invoice_ids = prepare_recomputation(session.warehouse, reference)
        with session.printer.waiting(f"Rating {', '.join(invoice_ids)} again"):
            target = session.workspace.state_directory / "dbt-recompute"
            for result in run_project(["run", "--select", *SELECTION], target, TARGET):
                if not result.is_successful and result.status != "skipped":
                    failed.append(f"{result.unique_id}: {result.message}")
        if failed:
            raise ActionNeeded("the invoice could not be rated again\n" + "\n".join(failed))
        outcomes = [compare_recomputation(session.warehouse, each) for each in invoice_ids]
    told = [told_recomputation(outcome) for outcome in outcomes]
    session.printer.json(told[0] if len(told) == 1 else {"invoices": told})
    differing = [outcome for outcome in outcomes if not outcome.is_same]
    if differing:
        raise ActionNeeded(
            "\n".join(
                f"{outcome.invoice_number} does not recompute to the same bytes\n"
                + "\n".join(outcome.differences)
                for outcome in differing
            )
        )
    for outcome in outcomes:
        session.printer.line(
            f"{outcome.invoice_number} recomputes to the same bytes: {outcome.finalised_hash}"
        )


def told_recomputation(outcome: "Recomputation") -> dict[str, Any]:
    """Return what came of a recomputation, as programs read it."""
    return {
        "invoice_id": outcome.invoice_id,
        "invoice_number": outcome.invoice_number,
        "is_same": outcome.is_same,
        "finalised_hash": outcome.finalised_hash,
        "recomputed_hash": outcome.recomputed_hash,
        "differences": outcome.differences,
    }


def require_marts(session: Session) -> None:
    """Refuse to go on before the first build."""
    from orchestration.cli.summaries import is_built

    if not is_built(session.warehouse, "marts.fct_invoices"):
        raise ActionNeeded("nothing has been rated yet: run `meterhouse run` first")


def require_stripe(session: Session) -> None:
    """Refuse to go on without a Stripe account."""
    if session.workspace.settings.stripe is None:
        raise ActionNeeded(
            "Stripe is not configured: add stripe: {api_key: ${STRIPE_API_KEY}} to meterhouse.yml"
        )
