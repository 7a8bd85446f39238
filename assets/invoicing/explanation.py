"""Explaining: how the amount of an invoice line came about, down to the source records."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Row, text

from assets.invoicing.approval import InvoiceStateError
from connectors.warehouse import Warehouse

INVOICES = """
    select *
    from marts.fct_invoices
    where :reference in (invoice_id, invoice_number, document_number)
    or invoice_id = (
        select invoice_id from marts.fct_invoice_lines where invoice_line_id = :reference
    )
    -- INV-000007, INV-000007-2, INV-000007-10
    order by length(invoice_number), invoice_number
"""

LINES = """
    select
        invoice_line_id, invoice_id, line_number, kind, charge_id, dimension_id, reference_id,
        period_start, period_end, quantity, billable_quantity, exact_amount, amount, tax_included,
        currency, description, catalog_version
    from marts.fct_invoice_lines
    where invoice_id = :invoice_id
    order by line_number
"""

STEPS = """
    select
        invoice_line_id, step_number, step, description, price_group, tier_number, record_count,
        quantity, unit_amount, days, of_days, amount
    from marts.fct_invoice_line_steps
    where invoice_id = :invoice_id
    order by invoice_line_id, step_number
"""

GROUPS = """
    select invoice_line_id, line_group, quantity, amount
    from marts.fct_invoice_line_groups
    where invoice_id = :invoice_id
    order by invoice_line_id, line_group
"""

# The tenants are those of the version the line was priced with, the entries those that had been
# journaled when it was finalised: the very records the amount is made of. A level goes on from the
# last record before; one that is told by its changes, from all of them.
RECORDS = """
    with spans as (
        select
            lines.catalog_version, spans.tenant_id, spans.dimension_id, spans.usage_filter,
            spans.span_start_at, spans.span_end_at, invoices.journal_watermark,
            dimensions.has_deltas,
            case when dimensions.carry_over then '-infinity' else spans.span_start_at end
                as records_since
        from marts.fct_invoice_lines as lines
        left join billing.invoices as invoices on lines.invoice_id = invoices.invoice_id
        inner join rating.int_metered_spans as spans
            on lines.invoice_id = spans.invoice_id
            and lines.charge_id = split_part(spans.charge_id, '/', 1)
            and lines.invoice_line_id
                = spans.invoice_id || '/usage/' || lines.charge_id || '/' || spans.part_number
        inner join catalog.tenants as tenants
            on lines.catalog_version = tenants.catalog_version
            and lines.for_customer_id = tenants.contract_customer_id
            and spans.tenant_id = tenants.tenant_id
        inner join catalog.dimensions as dimensions
            on lines.catalog_version = dimensions.catalog_version
            and spans.dimension_id = dimensions.dimension_id
        where lines.invoice_line_id = :line_id
    ),

    keys as (
        select catalog_version, dimension_id, array_agg(metadata_key) as metadata_keys
        from catalog.dimension_keys
        group by catalog_version, dimension_id
    ),

    entries as (
        select
            entries.record_key, entries.record_id, entries.tenant_id, entries.dimension_id,
            entries.occurred_at, entries.value, entries.sign, entries.is_reversal,
            entries.metadata, entries.delivery_id, entries.row_number,
            entries.occurred_at < spans.span_start_at as is_earlier,
            spans.has_deltas,
            bool_or(entries.is_reversal) over (partition by entries.record_key) as is_taken_back,
            array(
                select entries.metadata ->> asked.key from unnest(keys.metadata_keys) as asked (key)
            ) as told_apart
        from spans
        left join keys
            on spans.catalog_version = keys.catalog_version
            and spans.dimension_id = keys.dimension_id
        inner join journal.jnl_usage_entries as entries
            on spans.tenant_id = entries.tenant_id
            and spans.dimension_id = entries.dimension_id
            and spans.records_since <= entries.occurred_at
            and spans.span_end_at > entries.occurred_at
            and entries.build_number <= coalesce(spans.journal_watermark, entries.build_number)
        where not exists (
            select 1
            from jsonb_each(spans.usage_filter) as wanted
            where not coalesce(
                jsonb_exists(wanted.value, entries.metadata ->> wanted.key), false
            )
        )
    ),

    found as (
        select
            entries.*,
            max(entries.occurred_at) filter (
                where entries.is_earlier and not entries.is_taken_back and entries.sign = 1
            ) over (
                partition by entries.tenant_id, entries.dimension_id, entries.told_apart
            ) as level_since
        from entries
    )

    select
        deliveries.source, found.record_id, found.tenant_id, found.dimension_id,
        found.occurred_at, found.value, found.sign, found.is_reversal, found.is_earlier,
        found.metadata::text as metadata, deliveries.object, found.row_number
    from found
    inner join raw.deliveries as deliveries on found.delivery_id = deliveries.delivery_id
    where
        not found.is_earlier
        or (
            not found.is_taken_back
            and (found.has_deltas or found.occurred_at = found.level_since)
        )
    order by found.occurred_at, found.record_key, found.is_reversal
"""


@dataclass(frozen=True, slots=True)
class Explanation:
    """An invoice, its lines, how each came about, and into what some are broken down."""

    invoice: Row
    lines: tuple[Row, ...]
    steps: tuple[Row, ...]
    groups: tuple[Row, ...]

    def line(self, line_id: str) -> Row | None:
        """Return a line by its id."""
        return next((line for line in self.lines if line.invoice_line_id == line_id), None)

    def steps_of(self, line: Row) -> list[Row]:
        """Return the steps of a line, in their order; their amounts add up to it."""
        return [step for step in self.steps if step.invoice_line_id == line.invoice_line_id]

    def groups_of(self, line: Row) -> list[Row]:
        """Return into what a line is broken down; amounts and quantities add up to it."""
        return [group for group in self.groups if group.invoice_line_id == line.invoice_line_id]

    def beside(self, line: Row) -> list[Row]:
        """Return all lines of a line's charge, among them discounts and bounds."""
        if line.charge_id is None:
            return []
        return [other for other in self.lines if other.charge_id == line.charge_id]


def explain(warehouse: Warehouse, reference: str) -> list[Explanation]:
    """Return the explanation of an invoice, named by its id or number or the id of a line.

    The number of a document is that of all invoices on it, in their order.
    """
    with warehouse.begin() as connection:
        invoices = connection.execute(text(INVOICES), {"reference": reference}).all()
        if not invoices:
            raise InvoiceStateError(
                f"there is no invoice or line {reference}; `meterhouse invoices` lists invoices"
            )
        return [explanation_of(connection, invoice) for invoice in invoices]


def explanation_of(connection: Connection, invoice: Row) -> Explanation:
    """Return the explanation of one invoice."""
    asked = {"invoice_id": invoice.invoice_id}
    return Explanation(
        invoice,
        *(tuple(connection.execute(text(query), asked)) for query in (LINES, STEPS, GROUPS)),
    )


def usage_records(connection: Connection, line_id: str) -> Iterator[Row]:
    """Yield the journal entries a usage line is made of, by time, with their source rows.

    Where records add up, the values of those that are not earlier than the line's period add up to
    its aggregate, and their signs to its records. Earlier ones brought a level along.
    """
    yield from connection.execution_options(stream_results=True, max_row_buffer=1_000).execute(
        text(RECORDS), {"line_id": line_id}
    )
