"""Publishing: an accepted state of the catalog's files becomes a version in the warehouse."""

from datetime import UTC, date, datetime

from sqlalchemy import Connection, func, insert, literal, select

from models.catalog import Catalog
from models.catalog_rows import catalog_rows
from models.contracts import Contract
from models.tables import billing
from models.tables import catalog as tables

LOCK = 7_001_002


class CatalogRefused(ValueError):  # noqa: N818 - what the catalog says is refused, not our code.
    """A catalog that would silently stop billing what is being billed."""


def publish(connection: Connection, catalog: Catalog) -> bool:
    """Store a catalog as the next version; return False where it is stored already.

    Raises ``CatalogRefused`` where it contradicts what is finalised.
    """
    connection.execute(select(func.pg_advisory_xact_lock(literal(LOCK))))
    refuse_unpublishable(connection, catalog)
    if is_published(connection, catalog.version):
        return False
    last = connection.execute(select(func.max(tables.versions.c.version_number))).scalar()
    connection.execute(
        insert(tables.versions),
        {
            "version_number": (last or 0) + 1,
            "catalog_version": catalog.version,
            "accepted_at": datetime.now(UTC),
            "content": catalog.content(),
        },
    )
    for table, rows in catalog_rows(catalog):
        if rows:
            connection.execute(insert(table), rows)
    return True


def refuse_unpublishable(connection: Connection, catalog: Catalog) -> None:
    """Raise where a catalog contradicts what is finalised.

    That is where a contract that is being invoiced has left it, or has changed its currency,
    where an invoice that is finalised is written otherwise, and where what was paid in instalments
    would be asked for again.
    """
    refuse_vanished_contracts(connection, catalog)
    refuse_changed_currencies(connection, catalog)
    refuse_changed_invoices(connection, catalog)
    refuse_lost_instalments(connection, catalog)


def refuse_vanished_contracts(connection: Connection, catalog: Catalog) -> None:
    """Raise where a contract with invoices is gone, though it was to go on after the last one."""
    kept = {contract.id for customer in catalog.customers for contract in customer.contracts}
    invoices, contracts, versions = billing.invoices, tables.contracts, tables.versions
    invoiced = connection.execute(
        select(invoices.c.contract_id, func.max(invoices.c.period_end).label("until"))
        .where(invoices.c.contract_id.not_in(kept))
        .group_by(invoices.c.contract_id)
    )
    gone = []
    for row in invoiced:
        ends = connection.execute(
            select(contracts.c.end_date)
            .join(versions, contracts.c.catalog_version == versions.c.catalog_version)
            .where(contracts.c.contract_id == row.contract_id)
            .order_by(versions.c.version_number.desc())
            .limit(1)
        ).scalar()
        if ends is None or ends > row.until:
            gone.append(f"{row.contract_id} (invoiced until {row.until})")
    if gone:
        raise CatalogRefused(
            f"the catalog has lost contracts that are being invoiced: {', '.join(sorted(gone))}. "
            "Nobody would be billed for their usage. Bring them back; one that is over, or goes on "
            "under another id, needs its `end`"
        )


def refuse_changed_currencies(connection: Connection, catalog: Catalog) -> None:
    """Raise where a contract has invoices that stand in another currency than its plan is in."""
    currencies = {plan.id: plan.currency for plan in catalog.plans}
    billed_in = {
        contract.id: currencies[contract.plan]
        for customer in catalog.customers
        for contract in customer.contracts
    }
    invoices, events = billing.invoices, billing.invoice_events
    voided = select(events.c.invoice_id).where(events.c.event == "voided")
    invoiced = connection.execute(
        select(invoices.c.contract_id, invoices.c.currency)
        .where(invoices.c.contract_id.in_(billed_in), invoices.c.invoice_id.not_in(voided))
        .distinct()
        .order_by(invoices.c.contract_id, invoices.c.currency)
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
    invoices, manual, events = billing.invoices, tables.manual_invoices, billing.invoice_events
    voided = select(events.c.invoice_id).where(events.c.event == "voided")
    key = manual.c.customer_id + ":manual:" + manual.c.manual_invoice_id
    finalised = connection.execute(
        select(
            manual.c.customer_id,
            manual.c.manual_invoice_id,
            manual.c.content_hash,
            invoices.c.invoice_number,
        )
        .join(
            invoices,
            (invoices.c.invoice_key == key)
            & (invoices.c.catalog_version == manual.c.catalog_version),
        )
        .where(invoices.c.invoice_id.not_in(voided))
        .order_by(invoices.c.invoice_sequence)
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


def refuse_lost_instalments(connection: Connection, catalog: Catalog) -> None:
    """Raise where instalments were invoiced on days that no commitment in instalments holds."""
    contracts = {
        contract.id: contract for customer in catalog.customers for contract in customer.contracts
    }
    lines, invoices, events = billing.invoice_lines, billing.invoices, billing.invoice_events
    voided = select(events.c.invoice_id).where(events.c.event == "voided")
    invoiced = connection.execute(
        select(lines.c.contract_id, lines.c.period_start, invoices.c.invoice_number)
        .join(invoices, lines.c.invoice_id == invoices.c.invoice_id)
        .where(
            lines.c.kind == "commitment",
            lines.c.invoice_line_id.contains("/instalment/"),
            lines.c.contract_id.in_(contracts),
            lines.c.invoice_id.not_in(voided),
        )
        .order_by(invoices.c.invoice_sequence, lines.c.period_start)
    )
    lost = [
        f"{row.contract_id} (of {row.period_start}, {row.invoice_number})"
        for row in invoiced
        if not _has_instalments_on(contracts[row.contract_id], row.period_start)
    ]
    if lost:
        raise CatalogRefused(
            f"instalments have been invoiced of commitments that have none now: {', '.join(lost)}. "
            "What was paid would be asked for again. Their number and the amount may change, the "
            "term not so that it leaves out these days; or void the invoices first"
        )


def _has_instalments_on(contract: Contract, due_on: date) -> bool:
    for commitment in contract.commitments:
        since, until = commitment.valid_from or contract.start, commitment.valid_to or contract.end
        holds = since <= due_on and (until is None or due_on < until)
        if holds and commitment.instalments is not None:
            return True
    return False


def is_published(connection: Connection, version: str) -> bool:
    """Return whether a version is stored."""
    versions = tables.versions
    found = connection.execute(
        select(versions.c.catalog_version).where(versions.c.catalog_version == version)
    )
    return found.first() is not None
