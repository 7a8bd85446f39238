"""Invoices that stand, and that a catalog contradicts: in currency, day, or what they say."""

from sqlalchemy import Connection, select

from assets.catalog.refusals.errors import CatalogRefused
from assets.invoicing.standing import standing_invoices
from models.catalog import Catalog
from models.tables import catalog as tables


def refuse_changed_currencies(connection: Connection, catalog: Catalog) -> None:
    """Raise where a contract has invoices that stand in another currency than its plan is in."""
    currencies = {plan.id: plan.currency for plan in catalog.plans}
    billed_in = {id_: currencies[contract.plan] for id_, contract in catalog.contracts.items()}
    standing = standing_invoices()
    invoiced = connection.execute(
        select(standing.c.contract_id, standing.c.currency)
        .where(standing.c.contract_id.in_(billed_in))
        .distinct()
        .order_by(standing.c.contract_id, standing.c.currency)
    )
    changed = [
        f"{row.contract_id} (invoiced in {row.currency}, its plan is in "
        f"{billed_in[row.contract_id]})"
        for row in invoiced
        if row.currency != billed_in[row.contract_id]
    ]
    if changed:
        raise CatalogRefused(
            f"contracts cannot change the currency they are invoiced in: {', '.join(changed)}. "
            "Credits, commitments and adjustments of their invoices could not be carried on. "
            "Give the contract an `end`: a customer is billed in one currency, so what goes on is "
            "of a customer of its own"
        )


def refuse_changed_invoices(connection: Connection, catalog: Catalog) -> None:
    """Raise where the catalog now says something else of an invoice than it was finalised with."""
    written = {
        (customer.id, invoice.id): invoice.content_hash
        for customer in catalog.customers
        for invoice in customer.invoices
    }
    manual, standing = tables.manual_invoices, standing_invoices()
    key = manual.c.customer_id + ":manual:" + manual.c.manual_invoice_id
    finalised = connection.execute(
        select(
            manual.c.customer_id,
            manual.c.manual_invoice_id,
            manual.c.content_hash,
            standing.c.invoice_number,
        )
        .join(
            standing,
            (standing.c.invoice_key == key)
            & (standing.c.catalog_version == manual.c.catalog_version),
        )
        .order_by(standing.c.invoice_sequence)
    )
    changed = [
        f"{row.manual_invoice_id} of {row.customer_id} ({row.invoice_number})"
        for row in finalised
        if written.get((row.customer_id, row.manual_invoice_id), row.content_hash)
        != row.content_hash
    ]
    if changed:
        raise CatalogRefused(
            f"invoices that are finalised are written otherwise now: {', '.join(changed)}. Nobody "
            "would be billed for the difference. Write another invoice for it, or void this one "
            "first"
        )


def refuse_moved_starts(connection: Connection, catalog: Catalog) -> None:
    """Raise where a contract begins on another day than the opening invoice that it has."""
    standing = standing_invoices()
    opened = connection.execute(
        select(standing.c.contract_id, standing.c.period_start, standing.c.invoice_number)
        .where(standing.c.kind == "opening", standing.c.contract_id.in_(catalog.contracts))
        .order_by(standing.c.invoice_sequence)
    )
    starts = {id_: contract.billing_start for id_, contract in catalog.contracts.items()}
    moved = [
        f"{row.contract_id} ({starts[row.contract_id]} instead of {row.period_start}, "
        f"{row.invoice_number})"
        for row in opened
        if starts[row.contract_id] != row.period_start
    ]
    if moved:
        raise CatalogRefused(
            f"contracts begin on another day than their opening invoices: {', '.join(moved)}. What "
            "was paid for their first days would be asked for again, or never. Keep the day, or "
            "void the opening invoice first"
        )
