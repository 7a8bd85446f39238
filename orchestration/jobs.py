"""The jobs: what is run together, by schedules, sensors and commands alike."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from assets.keys import (
    DROPPED_DAYS,
    INVOICE_EVENTS,
    INVOICE_LINES,
    INVOICES,
    OUTBOX,
    STRIPE_CUSTOMERS,
    STRIPE_INVOICES,
    USAGE_DAYS,
    source_key,
)
from models.workspace import Workspace

RUN = "run"
PULL = "pull"
BUILD = "build"
VERIFY = "verify"
USAGE = "usage"
COST = "cost"
BACKFILL_USAGE = "backfill_usage"
DROP_LANDING = "drop_landing"
CLOSE = "close"
APPROVE = "approve"
POST_INVOICE = "post_invoice"
SYNC_PAYMENTS = "sync_payments"


def jobs(
    workspace: Workspace | None,
    models: dg.AssetsDefinition,
    begun: Sequence[dg.AssetsDefinition],
    verified: Sequence[dg.AssetChecksDefinition | dg.AssetCheckKey],
) -> list[Any]:
    """Return all jobs of a workspace.

    Every build is one of all models as of one instant, whichever sources were pulled before: the
    drafts that a close freezes are never of two minds.
    """
    in_depth = dg.AssetSelection.checks(*verified)
    build = dg.AssetSelection.assets(*begun, models) - in_depth
    return [
        dg.define_asset_job(
            RUN,
            selection=pulled(sources_of(workspace), build),
            description="The main job: pull every source, journal, rate, draft, allocate.",
        ),
        dg.define_asset_job(
            BUILD,
            selection=build,
            description="Journal, rate, draft and allocate what has landed, without pulling.",
        ),
        dg.define_asset_job(
            VERIFY,
            selection=in_depth,
            description=(
                "Look closer than a build has time for: suites of what has landed, the whole "
                "journal against its books, every cell of the rollups."
            ),
        ),
        *pull_jobs(workspace),
        dg.define_asset_job(
            DROP_LANDING,
            selection=dg.AssetSelection.assets(DROPPED_DAYS),
            description="Drop the days of landing that are kept no longer, and are journaled.",
        ),
        dg.define_asset_job(
            CLOSE,
            selection=dg.AssetSelection.assets(INVOICES, INVOICE_LINES),
            description="Finalise the invoices of a month that the gates allow.",
        ),
        dg.define_asset_job(
            APPROVE,
            selection=dg.AssetSelection.assets(INVOICE_EVENTS),
            description="Approve finalised invoices, by id or number.",
        ),
        dg.define_asset_job(
            POST_INVOICE,
            selection=dg.AssetSelection.assets(OUTBOX, STRIPE_CUSTOMERS),
            description="Bring approved invoices into Stripe, each exactly once.",
        ),
        dg.define_asset_job(
            SYNC_PAYMENTS,
            selection=dg.AssetSelection.assets(STRIPE_INVOICES),
            description="Bring the state of posted invoices up to date with Stripe.",
        ),
    ]


def pull_jobs(workspace: Workspace | None) -> list[Any]:
    """Return the jobs that only pull; what a workspace has no source of has no job."""
    usage, cost = sources_of(workspace, "usage"), sources_of(workspace, "cost")
    defined = [
        dg.define_asset_job(
            name,
            selection=dg.AssetSelection.assets(*keys),
            description=f"Pull the {what}; a build follows where that brought something.",
        )
        for name, keys, what in (
            (PULL, [*usage, *cost], "sources"),
            (USAGE, usage, "usage sources"),
            (COST, cost, "cost sources"),
        )
        if keys
    ]
    if usage:
        defined.append(
            dg.define_asset_job(
                BACKFILL_USAGE,
                selection=dg.AssetSelection.assets(USAGE_DAYS),
                description="Pull days of usage again; the next build journals what is new.",
            )
        )
    return defined


def sources_of(workspace: Workspace | None, *measures: str) -> list[dg.AssetKey]:
    """Return the sources of a workspace, or those that measure one thing."""
    sources = () if workspace is None else workspace.settings.sources
    return [
        source_key(source.name) for source in sources if not measures or source.measures in measures
    ]


def pulled(keys: Sequence[dg.AssetKey], build: dg.AssetSelection) -> dg.AssetSelection:
    """Return a build with some sources before it."""
    return build | dg.AssetSelection.assets(*keys) if keys else build
