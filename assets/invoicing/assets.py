"""Finalised invoices and their approval, as assets."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
from pydantic import Field
from sqlalchemy import func, select

from assets.invoicing.approval import InvoiceStateError, approve, waiting_for_approval
from assets.invoicing.closing import CloseReport, ClosingRules, StaleDraftsError, close_period
from assets.keys import (
    DRAFT_INVOICES,
    DRAFT_LINES,
    INVOICE_EVENTS,
    INVOICE_LINES,
    INVOICES,
    PARAMETERS,
)
from assets.table_specs import FINANCE_TEAM, table_spec
from assets.transform.parameters import BUILD_LOCK, BUILD_WAIT_SECONDS
from connectors.warehouse import Warehouse
from models.tables import billing
from models.workspace import Workspace

HELD_SHOWN = 100


def closed_invoices(
    workspace: Workspace | None, months: dg.MonthlyPartitionsDefinition
) -> dg.AssetsDefinition:
    """Return the asset that finalises the invoices of a month."""
    deps = [DRAFT_INVOICES, DRAFT_LINES, PARAMETERS]

    @dg.multi_asset(
        name="finalise_invoices",
        partitions_def=months,
        specs=[
            table_spec(table, group="invoicing", owner=FINANCE_TEAM, deps=deps)
            for table in (billing.invoices, billing.invoice_lines)
        ],
    )
    def closed(
        context: dg.AssetExecutionContext, warehouse: Warehouse
    ) -> Iterator[dg.MaterializeResult]:
        """Finalise the drafts of the latest build that end in the month and pass the gates."""
        if workspace is None:
            raise dg.Failure("There is no workspace: set METERHOUSE_WORKSPACE.")
        month = date.fromisoformat(context.partition_key)
        with warehouse.locked(BUILD_LOCK, BUILD_WAIT_SECONDS):
            try:
                report = close_period(warehouse, closing_rules(workspace), month, datetime.now(UTC))
            except StaleDraftsError as error:
                raise dg.Failure(str(error), allow_retries=False) from None
        for invoice_id, number in report.finalised:
            context.log.info(f"Finalised {number} ({invoice_id})")
        yield dg.MaterializeResult(asset_key=INVOICES, metadata=close_metadata(warehouse, report))
        yield dg.MaterializeResult(asset_key=INVOICE_LINES)

    return closed


def closing_rules(workspace: Workspace) -> ClosingRules:
    """Return a workspace's rules for finalising."""
    settings = workspace.settings
    return ClosingRules(
        grace=settings.billing.grace,
        usage_sources=tuple(
            source.name for source in settings.sources if source.measures == "usage"
        ),
        approves_itself=settings.billing.approval == "auto",
    )


def close_metadata(warehouse: Warehouse, report: CloseReport) -> dict[str, Any]:
    """Return what a close did: counts, amounts by currency, and what held the rest."""
    invoices = billing.invoices.c
    numbers = [number for _, number in report.finalised]
    with warehouse.begin() as connection:
        count = connection.execute(select(func.count()).select_from(billing.invoices)).scalar_one()
        totals = connection.execute(
            select(invoices.currency, func.sum(invoices.total))
            .where(invoices.invoice_number.in_(numbers))
            .group_by(invoices.currency)
        ).all()
    metadata: dict[str, Any] = {
        "dagster/row_count": count,
        "finalised_count": len(report.finalised),
        "held_count": len(report.held),
        "finalised": dg.MetadataValue.json(dict(report.finalised)),
        "held": dg.MetadataValue.json(
            {held.invoice_id: held.reason for held in report.held[:HELD_SHOWN]}
        ),
    }
    return metadata | {f"total_{currency}": str(total) for currency, total in totals}


class Approval(dg.Config):
    """Which finalised invoices to approve: by id or number, or all that wait."""

    invoices: list[str] = Field(default_factory=list)
    everything: bool = False
    actor: str = "dagster"


@dg.multi_asset(
    name="approve_invoices",
    specs=[
        table_spec(billing.invoice_events, group="invoicing", owner=FINANCE_TEAM, deps=[INVOICES])
    ],
)
def approved_invoices(
    context: dg.AssetExecutionContext, config: Approval, warehouse: Warehouse
) -> dg.MaterializeResult:
    """Approve invoices, which queues them for posting; approving twice changes nothing."""
    references = waiting_for_approval(warehouse) if config.everything else config.invoices
    try:
        approved = approve(warehouse, references, config.actor, datetime.now(UTC))
    except InvoiceStateError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    for invoice_id in approved:
        context.log.info(f"Approved {invoice_id}")
    return dg.MaterializeResult(
        asset_key=INVOICE_EVENTS,
        metadata={
            "approved_count": len(approved),
            "approved": dg.MetadataValue.json(approved),
            "waiting_count": len(waiting_for_approval(warehouse)),
        },
    )
