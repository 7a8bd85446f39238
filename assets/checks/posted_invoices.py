"""What must hold between our books and Stripe's."""

import dagster as dg
from sqlalchemy import text

from assets.keys import OUTBOX, STRIPE_INVOICES
from connectors.warehouse import Warehouse

SHOWN = 20

UNQUEUED = """
    select approved.invoice_id
    from billing.invoice_events as approved
    inner join billing.invoices on approved.invoice_id = invoices.invoice_id
    left join billing.outbox on invoices.document_id = outbox.invoice_id
    where
        approved.event = 'approved'
        and invoices.amount_due > 0
        and outbox.invoice_id is null
    order by approved.invoice_id
    limit :shown
"""

ABSENT = """
    select outbox.invoice_id
    from billing.outbox
    left join billing.stripe_invoices
        on
            outbox.invoice_id = stripe_invoices.invoice_id
            and outbox.stripe_invoice_id = stripe_invoices.stripe_invoice_id
            and stripe_invoices.status <> 'draft'
    where
        outbox.state = 'posted'
        and stripe_invoices.stripe_invoice_id is null
    order by outbox.invoice_id
    limit :shown
"""

UNEQUAL = """
    select stripe_invoices.invoice_id
    from billing.stripe_invoices
    inner join billing.invoices on stripe_invoices.invoice_id = invoices.document_id
    group by stripe_invoices.stripe_invoice_id
    having
        stripe_invoices.total - stripe_invoices.tax <> sum(invoices.total)
        or bool_or(stripe_invoices.currency <> invoices.currency)
    order by stripe_invoices.invoice_id
    limit :shown
"""


@dg.asset_check(
    asset=OUTBOX, description="Every approved invoice with something to pay is in the outbox."
)
def approved_invoices_are_queued(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Look for approved invoices without a row."""
    return none_found(warehouse, UNQUEUED)


@dg.asset_check(
    asset=STRIPE_INVOICES,
    description="What the outbox calls posted is that very invoice in Stripe, and finalised there.",
)
def posted_invoices_are_in_stripe(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Look for posted invoices that Stripe does not show."""
    return none_found(warehouse, ABSENT)


@dg.asset_check(
    asset=STRIPE_INVOICES,
    description="The total in Stripe is ours, to the minor unit, in the same currency.",
)
def totals_in_stripe_are_ours(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Look for totals that differ."""
    return none_found(warehouse, UNEQUAL)


def none_found(warehouse: Warehouse, query: str) -> dg.AssetCheckResult:
    """Return whether a query finds no invoice."""
    with warehouse.begin() as connection:
        found: list[str] = list(connection.execute(text(query), {"shown": SHOWN}).scalars())
    return dg.AssetCheckResult(
        passed=not found, metadata={"invoices": dg.MetadataValue.json(found)}
    )
