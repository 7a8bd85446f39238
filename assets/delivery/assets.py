"""Posting to Stripe, and what Stripe says of it, as assets."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
from sqlalchemy import func, select

from assets.delivery.outbox import PostingError
from assets.delivery.payments import sync_payments
from assets.delivery.posting import post_invoice
from assets.keys import INVOICE_EVENTS, INVOICE_LINES, OUTBOX, STRIPE_CUSTOMERS, STRIPE_INVOICES
from assets.table_specs import FINANCE_TEAM, table_spec
from connectors.stripe_invoices import StripeInvoices
from connectors.stripe_records import StripeRefused, StripeUnavailable
from connectors.warehouse import Warehouse
from models.tables import billing

RETRIES = 2
SECONDS_BEFORE_RETRY = 10
NOT_CONFIGURED = (
    "Stripe is not configured: add stripe: {api_key: ${STRIPE_API_KEY}} to meterhouse.yml"
)


class Posting(dg.Config):
    """Which approved invoices to post."""

    invoices: list[str]


@dg.multi_asset(
    name="post_to_stripe",
    specs=[
        table_spec(
            table,
            group="delivery",
            kinds={"stripe"},
            owner=FINANCE_TEAM,
            deps=[INVOICE_EVENTS, INVOICE_LINES],
        )
        for table in (billing.outbox, billing.stripe_customers)
    ],
)
def posted_invoices(
    context: dg.AssetExecutionContext,
    config: Posting,
    warehouse: Warehouse,
    stripe: StripeInvoices,
) -> Iterator[dg.MaterializeResult]:
    """Bring approved invoices into Stripe, each exactly once; one that is there is left alone.

    An invoice that cannot be posted does not keep back the others. Without an answer the step is
    tried again; an invoice that Stripe refuses waits for a person.
    """
    require_stripe(stripe)
    posted, refused, unanswered = 0, [], []
    for number, invoice_id in enumerate(config.invoices, start=1):
        try:
            outcome = post_invoice(warehouse, stripe, invoice_id, datetime.now(UTC))
        except PostingError as error:
            refused.append(str(error))
        except StripeUnavailable as error:
            unanswered.append(f"invoice {invoice_id}: {error}")
        else:
            posted += outcome.is_new
            context.log.info(
                f"{number} of {len(config.invoices)}: {invoice_id} is {outcome.stripe_invoice_id}"
            )
    if unanswered and context.retry_number < RETRIES:
        context.log.warning("\n".join(unanswered))
        raise dg.RetryRequested(RETRIES, SECONDS_BEFORE_RETRY)
    if refused or unanswered:
        raise dg.Failure("\n".join([*refused, *unanswered]), allow_retries=False)
    counts = outbox_counts(warehouse)
    yield dg.MaterializeResult(asset_key=OUTBOX, metadata={"posted_count": posted, **counts})
    yield dg.MaterializeResult(asset_key=STRIPE_CUSTOMERS)


@dg.multi_asset(
    name="sync_with_stripe",
    specs=[
        table_spec(
            billing.stripe_invoices,
            group="delivery",
            kinds={"stripe"},
            owner=FINANCE_TEAM,
            deps=[OUTBOX],
        )
    ],
)
def synced_payments(
    context: dg.AssetExecutionContext, warehouse: Warehouse, stripe: StripeInvoices
) -> dg.MaterializeResult:
    """Bring the state of posted invoices up to date with Stripe; without news nothing changes."""
    require_stripe(stripe)
    try:
        report = sync_payments(warehouse, stripe, datetime.now(UTC))
    except (StripeUnavailable, StripeRefused) as error:
        raise dg.Failure(str(error)) from None
    if report.strangers:
        context.log.warning(
            "Stripe holds invoices that carry our ids and are not in the outbox: "
            + ", ".join(report.strangers)
        )
    return dg.MaterializeResult(
        asset_key=STRIPE_INVOICES,
        metadata={
            "dagster/row_count": report.checked,
            "changed_count": report.changed,
            "by_status": dg.MetadataValue.json(report.by_status),
            "unknown_to_the_outbox": dg.MetadataValue.json(list(report.strangers)),
        },
    )


def require_stripe(stripe: StripeInvoices) -> None:
    """Refuse to go on without an account."""
    if not stripe.api_key:
        raise dg.Failure(NOT_CONFIGURED, allow_retries=False)


def outbox_counts(warehouse: Warehouse) -> dict[str, int]:
    """Return how many rows of the outbox are in which state."""
    state = billing.outbox.c.state
    with warehouse.begin() as connection:
        rows = connection.execute(select(state, func.count()).group_by(state)).all()
    return {f"{row[0]}_in_outbox": row[1] for row in rows}
