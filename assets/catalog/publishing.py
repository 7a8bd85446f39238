"""Publishing: an accepted state of the catalog's files becomes a version in the warehouse."""

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, literal, select, text

from models.catalog import Catalog
from models.catalog_rows import catalog_rows
from models.contracts import Contract
from models.tables import billing
from models.tables import catalog as tables

LOCK = 7_001_002
# Contracts without which what was given back for days after their end would be asked for again.
GIVEN_BACK = text("""
    with contracts as (
        select distinct on (contracts.contract_id)
            contracts.contract_id,
            contracts.end_date
        from catalog.contracts as contracts
        inner join catalog.versions as versions
            on contracts.catalog_version = versions.catalog_version
        order by contracts.contract_id, versions.version_number desc
    )

    select
        contracts.contract_id,
        contracts.end_date,
        max(lines.period_end) as paid_until
    from contracts
    inner join billing.invoice_lines as lines
        on
            contracts.contract_id = lines.contract_id
            and contracts.end_date < lines.period_end
    where
        lines.kind in ('fee', 'discount')
        and not contracts.contract_id = any(:kept)
        and not exists (
            select from billing.invoice_events as events
            where events.invoice_id = lines.invoice_id and events.event = 'voided'
        )
    group by contracts.contract_id, contracts.end_date
    order by contracts.contract_id
""")
# Percentages off seats that were paid in advance, and whose period has no invoice yet.
TAKEN_OFF_SEATS = text("""
    with standing as (
        select *
        from billing.invoices as invoices
        where
            kind = 'period'
            and not exists (
                select from billing.invoice_events as events
                where events.invoice_id = invoices.invoice_id and events.event = 'voided'
            )
    )

    select
        lines.contract_id,
        lines.charge_id,
        lines.period_start,
        lines.period_end,
        standing.invoice_number,
        discounts.discount_id,
        discounts.percent,
        discounts.valid_from,
        discounts.valid_to,
        discounts.max_periods
    from standing
    inner join billing.invoice_lines as lines
        on
            standing.invoice_id = lines.invoice_id
            and standing.period_end <= lines.period_start
    inner join catalog.contract_discounts as discounts
        on
            standing.catalog_version = discounts.catalog_version
            and lines.contract_id = discounts.contract_id
            and lines.charge_id = discounts.charge_id
            and lines.reference_id = discounts.discount_number::text
    where
        lines.kind = 'discount'
        and lines.dimension_id is not null
        and discounts.percent is not null
        and lines.contract_id = any(:kept)
        and not exists (
            select from standing as later
            where
                later.contract_id = lines.contract_id
                and later.period_start <= lines.period_start
                and later.period_end > lines.period_start
        )
    order by lines.contract_id, lines.charge_id, discounts.discount_number
""")


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
    where an invoice that is finalised is written otherwise, where what was paid in instalments
    would be asked for again, where more would be given back than was paid, and where what was
    granted for some periods would be granted again.
    """
    refuse_vanished_contracts(connection, catalog)
    refuse_changed_currencies(connection, catalog)
    refuse_changed_invoices(connection, catalog)
    refuse_lost_instalments(connection, catalog)
    refuse_lost_ends(connection, catalog)
    refuse_lowered_discounts(connection, catalog)
    refuse_moved_grants(connection, catalog)


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


def refuse_lost_ends(connection: Connection, catalog: Catalog) -> None:
    """Raise where a contract is gone whose end gave back what was paid for days after it."""
    kept = [contract.id for customer in catalog.customers for contract in customer.contracts]
    lost = [
        f"{row.contract_id} (ended on {row.end_date}, paid until {row.paid_until})"
        for row in connection.execute(GIVEN_BACK, {"kept": kept})
    ]
    if lost:
        raise CatalogRefused(
            "the catalog has lost contracts that ended before the days that were paid in advance: "
            f"{', '.join(lost)}. What was given back would be asked for again. Bring them back, "
            "with what replaced them and their `end`"
        )


def refuse_lowered_discounts(connection: Connection, catalog: Catalog) -> None:
    """Raise where a percentage off seats that are paid is lowered before they are settled."""
    kept = [contract.id for customer in catalog.customers for contract in customer.contracts]
    taken = connection.execute(TAKEN_OFF_SEATS, {"kept": kept}).all()
    if not taken:
        return
    now = {
        (row["contract_id"], row["charge_id"], row["discount_id"]): row
        for table, rows in catalog_rows(catalog)
        if table is tables.contract_discounts
        for row in rows
    }
    lowered = [
        f"{row.contract_id} ({row.percent.normalize():f} % off {row.charge_id} until "
        f"{row.period_end}, {row.invoice_number})"
        for row in taken
        if not _still_holds(row, now.get((row.contract_id, row.charge_id, row.discount_id)))
    ]
    if lowered:
        raise CatalogRefused(
            "percentages off seats that were paid in advance are lowered before their period is "
            f"over: {', '.join(lowered)}. More would be given back than was paid. Let them hold "
            "until then, and end with `to`; the next one may begin on the same day"
        )


def _still_holds(taken: Row[Any], now: dict[str, Any] | None) -> bool:
    """Return whether a discount takes no less of the days for which it was taken off."""
    if now is None or now["percent"] is None or now["percent"] < taken.percent:
        return False
    until = min(taken.period_end, taken.valid_to or taken.period_end)
    periods = taken.max_periods, now["max_periods"]
    return (
        now["valid_from"] <= max(taken.period_start, taken.valid_from)
        and (now["valid_to"] is None or now["valid_to"] >= until)
        and (periods[1] is None or (periods[0] is not None and periods[1] >= periods[0]))
    )


def refuse_moved_grants(connection: Connection, catalog: Catalog) -> None:
    """Raise where credit of several periods, of which some are closed, is counted otherwise now."""
    counted = {
        (contract.id, credit.id): (
            credit.every_periods,
            credit.valid_from or contract.start,
            contract.billing_start,
        )
        for customer in catalog.customers
        for contract in customer.contracts
        for credit in contract.credits
    }
    grants, contracts = tables.credit_grants, tables.contracts
    invoices, events = billing.invoices, billing.invoice_events
    voided = select(events.c.invoice_id).where(events.c.event == "voided")
    closed = connection.execute(
        select(
            grants.c.contract_id,
            grants.c.credit_id,
            grants.c.every_periods,
            grants.c.valid_from,
            contracts.c.billing_start_date,
        )
        .join(
            contracts,
            (contracts.c.contract_id == grants.c.contract_id)
            & (contracts.c.catalog_version == grants.c.catalog_version),
        )
        .join(
            invoices,
            (invoices.c.contract_id == grants.c.contract_id)
            & (invoices.c.catalog_version == grants.c.catalog_version),
        )
        .where(
            grants.c.every_periods.is_not(None),
            invoices.c.kind == "period",
            invoices.c.invoice_id.not_in(voided),
        )
        .distinct()
        .order_by(grants.c.contract_id, grants.c.credit_id, grants.c.valid_from)
    )
    moved = []
    for row in closed:
        before = (row.every_periods, row.valid_from, row.billing_start_date)
        now = counted.get((row.contract_id, row.credit_id), before)
        # One that is granted with every period depends on no count.
        if now != before and {now[0], before[0]} != {1}:
            moved.append(
                f"{row.credit_id} of {row.contract_id} (every {before[0]} since {before[1]})"
            )
    if moved:
        raise CatalogRefused(
            f"credits that are granted for several periods are counted otherwise now: "
            f"{', '.join(moved)}. Periods of theirs are invoiced, and would be granted for again. "
            "Keep every_periods, from and the contract's start, or give the new terms another id"
        )


def is_published(connection: Connection, version: str) -> bool:
    """Return whether a version is stored."""
    versions = tables.versions
    found = connection.execute(
        select(versions.c.catalog_version).where(versions.c.catalog_version == version)
    )
    return found.first() is not None
