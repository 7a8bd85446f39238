"""Explaining: how the amount of an invoice line came about, down to the source records."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, text

from assets.invoicing.approval import InvoiceStateError
from connectors.warehouse import Warehouse

LINES = """
    select
        lines.invoice_line_id, lines.invoice_id, lines.line_number, lines.kind, lines.charge_id,
        lines.dimension_id, lines.reference_id, lines.period_start, lines.period_end,
        lines.quantity, lines.billable_quantity, lines.exact_amount, lines.amount, lines.currency,
        lines.description, lines.catalog_version, lines.explanation::text as explanation
    from marts.fct_invoice_lines as lines
    inner join marts.fct_invoices as invoices on lines.invoice_id = invoices.invoice_id
    where :reference in (lines.invoice_line_id, invoices.invoice_id, invoices.invoice_number)
    order by lines.line_number
"""

INVOICE = """
    select *
    from marts.fct_invoices
    where :reference in (invoice_id, invoice_number)
    or invoice_id = (
        select invoice_id from marts.fct_invoice_lines where invoice_line_id = :reference
    )
"""

# The tenants are those of the version the line was priced with, the entries those that had been
# journaled when it was finalised: the very records the amount is made of.
RECORDS = """
    select
        deliveries.source, entries.record_id, entries.tenant_id, entries.dimension_id,
        entries.occurred_at, entries.value, entries.is_reversal, deliveries.object,
        entries.row_number
    from marts.fct_invoice_lines as lines
    left join billing.invoices as invoices on lines.invoice_id = invoices.invoice_id
    inner join rating.int_metered_spans as spans
        on lines.invoice_id = spans.invoice_id
        and lines.charge_id = spans.charge_id
        and lines.invoice_line_id
            = spans.invoice_id || '/usage/' || spans.charge_id || '/' || spans.part_number
    inner join catalog.tenants as tenants
        on lines.catalog_version = tenants.catalog_version
        and lines.customer_id = tenants.customer_id
        and spans.tenant_id = tenants.tenant_id
    inner join journal.jnl_usage_entries as entries
        on spans.tenant_id = entries.tenant_id
        and spans.dimension_id = entries.dimension_id
        and spans.span_start_at <= entries.occurred_at
        and spans.span_end_at > entries.occurred_at
        and entries.build_number <= coalesce(invoices.journal_watermark, entries.build_number)
    inner join raw.deliveries as deliveries on entries.delivery_id = deliveries.delivery_id
    where lines.invoice_line_id = :line_id
    order by entries.occurred_at, entries.record_key, entries.is_reversal
"""


@dataclass(frozen=True, slots=True)
class Explanation:
    """An invoice, its lines, and per line what the rating models noted while pricing it."""

    invoice: Row
    lines: tuple[Row, ...]

    def notes(self, line: Row) -> dict[str, Any]:
        """Return the notes of a line, with every number as ``Decimal``."""
        notes: dict[str, Any] = json.loads(line.explanation, parse_float=Decimal, parse_int=Decimal)
        return notes


def explain(warehouse: Warehouse, reference: str) -> Explanation:
    """Return the explanation of an invoice (id or number) or of one line (its id)."""
    with warehouse.begin() as connection:
        invoice = connection.execute(text(INVOICE), {"reference": reference}).one_or_none()
        if invoice is None:
            raise InvoiceStateError(
                f"there is no invoice or line {reference}; `meterhouse invoices` lists invoices"
            )
        lines = tuple(connection.execute(text(LINES), {"reference": reference}))
    return Explanation(invoice, lines)


def usage_records(connection: Connection, line_id: str) -> Iterator[Row]:
    """Yield the journal entries a usage line is made of, by time, with their source rows."""
    yield from connection.execution_options(stream_results=True, max_row_buffer=1_000).execute(
        text(RECORDS), {"line_id": line_id}
    )
