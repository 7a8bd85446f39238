"""The keys of assets: schema and table, as they are called in the warehouse."""

import dagster as dg
from sqlalchemy import Table

from models.tables import billing, ops, raw


def source_key(name: str) -> dg.AssetKey:
    """Return the key of a configured source."""
    return dg.AssetKey(["sources", name])


def table_key(table: Table) -> dg.AssetKey:
    """Return the key of one of our own tables."""
    return dg.AssetKey([str(table.schema), table.name])


USAGE_DAYS = dg.AssetKey(["sources", "usage_days"])
DELIVERIES = table_key(raw.deliveries)
PARAMETERS = table_key(ops.parameters)
BUILDS = table_key(ops.builds)
DROPPED_DAYS = table_key(ops.dropped_days)
DRAFT_INVOICES = dg.AssetKey(["rating", "int_invoices"])
DRAFT_LINES = dg.AssetKey(["rating", "int_invoice_lines"])
USAGE_ENTRIES = dg.AssetKey(["journal", "jnl_usage_entries"])
INVOICES = table_key(billing.invoices)
INVOICE_LINES = table_key(billing.invoice_lines)
INVOICE_EVENTS = table_key(billing.invoice_events)
OUTBOX = table_key(billing.outbox)
STRIPE_CUSTOMERS = table_key(billing.stripe_customers)
STRIPE_INVOICES = table_key(billing.stripe_invoices)
# What rating reads of finalised invoices is their state when the build starts; as tables of their
# own they keep the graph free of a circle.
CLOSED_PERIODS = dg.AssetKey(["billing", "closed_periods"])
CLOSED_LINES = dg.AssetKey(["billing", "closed_lines"])
