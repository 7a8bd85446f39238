"""Trying each outside system of a workspace, cheaply and without writing."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from assets.ingestion.checking import check_source
from models.settings import AnySource
from orchestration.failures import ActionNeeded

if TYPE_CHECKING:
    from orchestration.cli.session import Session

Attempt = Callable[[], object]


def connection_checks(session: "Session") -> Iterator[tuple[str, Attempt]]:
    """Yield each outside system with what tries it, the warehouse first."""
    yield "warehouse", lambda: session.warehouse
    for source in session.workspace.settings.sources:
        yield f"source {source.name}", source_attempt(session, source)
    if session.workspace.settings.stripe is not None:
        yield "stripe", lambda: try_stripe(session)


def source_attempt(session: "Session", source: AnySource) -> Attempt:
    """Return what reaches a source, and raises all that is wrong with it."""

    def attempt() -> None:
        problems = check_source(source, session.workspace.directory)
        if problems:
            raise ActionNeeded("\n".join(problems))

    return attempt


def try_stripe(session: "Session") -> None:
    """Use the API key once, or raise what Stripe answers."""
    from orchestration.definitions import stripe_account

    since = int((datetime.now(UTC) - timedelta(minutes=1)).timestamp())
    next(stripe_account(session.workspace).list_invoices(since), None)
