"""Previews: what a customer's open period comes to so far and, if it goes on like this, at last."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from assets.catalog.publishing import is_published
from assets.catalog.refusing import refuse_unpublishable
from assets.rehearsals.relatives import relatives
from assets.rehearsals.stage import (
    RehearsalRefused,
    add_catalog,
    clear_stage,
    copy_versions,
    last_finished_build,
    rate,
    set_parameters,
)
from assets.transform.builds import EVERYTHING
from connectors.warehouse import Warehouse
from models.catalog import Catalog
from models.problems import did_you_mean

TARGET = "preview"
LOCK = "preview"
WAIT_SECONDS = 600
DRAFTS = ("+int_invoices", "+int_projected_entries")
IN_USE = """
    select distinct catalog_version
    from billing.closed_periods
    where customer_id = any(:customers)
"""
ENTRY = """
    occurred_at, record_key, delivery_id, row_number, build_number, sign, is_reversal, tenant_id,
    dimension_id, value, record_id, metadata, corrects_key
"""
ENTRIES = f"""
    insert into preview_journal.jnl_usage_entries ({ENTRY})
    select {ENTRY}
    from journal.jnl_usage_entries
    where
        tenant_id in (select tenant_id from preview_catalog.tenants)
        and build_number <= :watermark
        and occurred_at < :as_of
"""  # noqa: S608
PROJECTED = f"""
    insert into preview_journal.jnl_usage_entries ({ENTRY})
    select {ENTRY} from preview_rating.int_projected_entries
"""  # noqa: S608
# Of all months, archived ones too: their cells are carried over.
MONTHS = """
    create table preview_journal.jnl_control_totals as
    select distinct dimension_id, usage_month from journal.jnl_control_totals
"""
MONTHS_ADDED = """
    insert into preview_journal.jnl_control_totals (dimension_id, usage_month)
    select distinct dimension_id, date_trunc('month', occurred_at at time zone 'UTC')::date
    from preview_rating.int_projected_entries
"""
INVOICES = """
    select
        invoice_id, contract_id, plan_id, period_start, period_end, currency, subtotal, tax, total,
        period_start_at <= :as_of and period_end_at > :as_of as is_open
    from preview_rating.int_invoices
    where :customer in (customer_id, for_customer_id)
    order by period_start, contract_id, period_end, invoice_id
"""
LINES = """
    select
        lines.invoice_line_id, lines.invoice_id, lines.kind, lines.charge_id, lines.description,
        lines.quantity, lines.amount
    from preview_rating.int_invoice_lines as lines
    inner join preview_rating.int_invoices as invoices on lines.invoice_id = invoices.invoice_id
    where :customer in (invoices.customer_id, invoices.for_customer_id)
    order by lines.invoice_id, lines.line_number
"""


@dataclass(frozen=True, slots=True)
class PreviewedLine:
    """A line of a draft, so far and projected; a side on which it is not due has nulls."""

    invoice_line_id: str
    kind: str
    charge_id: str | None
    description: str
    quantity: Decimal | None
    amount: Decimal | None
    projected_quantity: Decimal | None
    projected_amount: Decimal | None


@dataclass(frozen=True, slots=True)
class PreviewedInvoice:
    """A draft; one whose period is over has the same amounts on both sides."""

    header: dict[str, Any]
    projected_total: Decimal
    lines: tuple[PreviewedLine, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """The drafts of a customer as of an instant, and as of the end of what is open then."""

    customer_id: str
    as_of: datetime
    projected_until: datetime | None
    projected_records: int
    invoices: tuple[PreviewedInvoice, ...]


Rated = tuple[list[dict[str, Any]], list[dict[str, Any]]]


def preview(
    warehouse: Warehouse,
    catalog: Catalog,
    customer_id: str,
    as_of: datetime,
    late_usage: str,
    folder: Path,
) -> Preview:
    """Rate a customer's drafts as of an instant and as of the end of the open period.

    Reads what the last finished build has journaled, and the catalog as it is given, published or
    not, refusing what publishing would refuse. Writes nothing but the schemas ``preview_*``.
    """
    refuse_unknown(catalog, customer_id)
    with warehouse.locked(LOCK, WAIT_SECONDS):
        with warehouse.begin() as connection:
            prepare(connection, catalog, customer_id, as_of, late_usage)
        rate(folder, TARGET, DRAFTS)
        with warehouse.begin() as connection:
            so_far = rated(connection, customer_id, as_of)
            until, count = project(connection, catalog, late_usage)
        if until is None:
            return compared(customer_id, as_of, None, 0, so_far, so_far)
        rate(folder, TARGET, DRAFTS[:1])
        with warehouse.begin() as connection:
            projected = rated(connection, customer_id, as_of)
    return compared(customer_id, as_of, until, count, so_far, projected)


def refuse_unknown(catalog: Catalog, customer_id: str) -> None:
    """Raise where the catalog has no such customer."""
    known = [customer.id for customer in catalog.customers]
    if customer_id not in known:
        raise RehearsalRefused(
            f"the catalog has no customer {customer_id}{did_you_mean(customer_id, known)}"
        )


def prepare(
    connection: Connection, catalog: Catalog, customer_id: str, as_of: datetime, late_usage: str
) -> None:
    """Set the stage: the customer's part of catalog, finalised invoices and journal."""
    watermark = last_finished_build(connection)
    refuse_unpublishable(connection, catalog)
    clear_stage(connection, TARGET)
    customers = relatives(connection, catalog, customer_id)
    versions = set(connection.execute(text(IN_USE), {"customers": customers}).scalars())
    if is_published(connection, catalog.version):
        versions.add(catalog.version)
        copy_versions(connection, TARGET, versions, customers)
    else:
        copy_versions(connection, TARGET, versions, customers)
        add_catalog(connection, TARGET, catalog, as_of, customers)
    copy_invoices(connection, customers)
    copy_entries(connection, watermark, as_of)
    tell(connection, catalog, as_of, late_usage)


def tell(connection: Connection, catalog: Catalog, as_of: datetime, late_usage: str) -> None:
    """Set the instant to rate as of; the journal on the stage has no entry that does not count."""
    set_parameters(
        connection,
        TARGET,
        {
            "build_number": EVERYTHING,
            "catalog_version": catalog.version,
            "as_of": as_of,
            "journal_watermark": EVERYTHING,
            "invoices_before": EVERYTHING,
            "late_usage": late_usage,
        },
    )


def copy_invoices(connection: Connection, customers: list[str]) -> None:
    """Copy the finalised invoices of these customers."""
    for name in ("closed_periods", "closed_lines"):
        query = f"""
            insert into {TARGET}_billing.{name}
            select * from billing.{name} where customer_id = any(:customers)
        """  # noqa: S608
        connection.execute(text(query), {"customers": customers})
    connection.execute(
        text(
            f"insert into {TARGET}_billing.voided_invoices select * from billing.voided_invoices"  # noqa: S608
        )
    )


def copy_entries(connection: Connection, watermark: int, as_of: datetime) -> None:
    """Make a journal of the entries of the tenants on the stage."""
    connection.execute(text(f"create schema {TARGET}_journal"))
    journal = f"{TARGET}_journal.jnl_usage_entries"
    connection.execute(text(f"create table {journal} (like journal.jnl_usage_entries)"))
    connection.execute(text(ENTRIES), {"watermark": watermark, "as_of": as_of})
    connection.execute(text(f"create index on {journal} (occurred_at)"))
    connection.execute(text(f"analyze {journal}"))
    connection.execute(text(MONTHS))


def project(
    connection: Connection, catalog: Catalog, late_usage: str
) -> tuple[datetime | None, int]:
    """Add the projected usage to the journal on the stage, and move its instant to the end.

    Returns that instant, None where no period is open, and the number of records added.
    """
    until: datetime | None = connection.execute(
        text(f"select projected_until from {TARGET}_rating.int_projection")  # noqa: S608
    ).scalar()
    if until is None:
        return None, 0
    added = connection.execute(text(PROJECTED))
    connection.execute(text(MONTHS_ADDED))
    tell(connection, catalog, until, late_usage)
    return until, int(added.rowcount)


def rated(connection: Connection, customer_id: str, as_of: datetime) -> Rated:
    """Return headers and lines of the customer's drafts as they are rated now."""
    values = {"customer": customer_id, "as_of": as_of}
    headers = connection.execute(text(INVOICES), values).mappings()
    lines = connection.execute(text(LINES), {"customer": customer_id}).mappings()
    return [dict(row) for row in headers], [dict(row) for row in lines]


def compared(
    customer_id: str,
    as_of: datetime,
    until: datetime | None,
    count: int,
    so_far: Rated,
    projected: Rated,
) -> Preview:
    """Return the drafts there are now, each beside what it is projected to be."""
    totals = {header["invoice_id"]: header["total"] for header in projected[0]}
    return Preview(
        customer_id=customer_id,
        as_of=as_of,
        projected_until=until,
        projected_records=count,
        invoices=tuple(
            PreviewedInvoice(
                header=header,
                projected_total=totals[header["invoice_id"]],
                lines=tuple(lines_of(header["invoice_id"], so_far[1], projected[1])),
            )
            for header in so_far[0]
        ),
    )


def lines_of(
    invoice_id: str, so_far: list[dict[str, Any]], projected: list[dict[str, Any]]
) -> Iterator[PreviewedLine]:
    """Yield the lines of an invoice, those first that are due so far."""
    before = {row["invoice_line_id"]: row for row in so_far if row["invoice_id"] == invoice_id}
    after = {row["invoice_line_id"]: row for row in projected if row["invoice_id"] == invoice_id}
    for line_id in dict.fromkeys((*before, *after)):
        known = before.get(line_id) or after[line_id]
        yield PreviewedLine(
            invoice_line_id=line_id,
            kind=known["kind"],
            charge_id=known["charge_id"],
            description=known["description"],
            quantity=before.get(line_id, {}).get("quantity"),
            amount=before.get(line_id, {}).get("amount"),
            projected_quantity=after.get(line_id, {}).get("quantity"),
            projected_amount=after.get(line_id, {}).get("amount"),
        )
