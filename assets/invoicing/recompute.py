"""Recomputing: a finalised invoice, rated again from the journal as it stood then."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, select

from assets.invoicing.approval import InvoiceStateError, finalised_invoice
from assets.invoicing.documents import document_hash, read_document
from assets.invoicing.standing import IN_ORDER
from assets.rehearsals.stage import set_parameters
from assets.retention.ledger import archives_counted_later, archives_of_times, restoring
from connectors.warehouse import Warehouse
from models.tables import billing

TARGET = "recompute"
# Everything behind the journal that an invoice is made of; the journal itself is read, not rebuilt.
SELECTION = ("+int_invoices", "--exclude", "path:models/journal", "path:models/staging")


@dataclass(frozen=True, slots=True)
class Recomputation:
    """The hash an invoice was finalised with, and the one it has when rated again."""

    invoice_id: str
    invoice_number: str
    finalised_hash: str
    recomputed_hash: str | None
    differences: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether both are the same bytes, and nothing else was found to differ."""
        return self.finalised_hash == self.recomputed_hash and not self.differences


def prepare_recomputation(warehouse: Warehouse, reference: str) -> list[str]:
    """Set the parameters of the target ``recompute`` to those of a finalised invoice.

    Returns the invoice's id, or those of all on a document, named by its number: they were rated
    together. The caller then runs dbt with that target and ``SELECTION``. Refused while a part of
    the journal that an invoice is made of is archived.
    """
    with warehouse.begin() as connection:
        invoice = finalised_invoice(connection, reference)
        together = invoices_named(connection, invoice, reference)
        for member in together:
            refuse_archived(connection, member)
        set_parameters(
            connection,
            TARGET,
            {
                "build_number": invoice.journal_watermark,
                "catalog_version": invoice.catalog_version,
                "as_of": invoice.as_of,
                "journal_watermark": invoice.journal_watermark,
                "invoices_before": invoice.invoice_sequence,
                "late_usage": invoice.late_usage,
            },
        )
    return [member.invoice_id for member in together]


def invoices_named(connection: Connection, invoice: Row, reference: str) -> Sequence[Row]:
    """Return an invoice, or all on its document if the reference is the document's number."""
    invoices = billing.invoices
    if (invoice.document_id, invoice.invoice_number) != (invoice.invoice_id, reference):
        return [invoice]
    return connection.execute(
        select(invoices)
        .where(invoices.c.document_id == invoice.document_id)
        .order_by(invoices.c.invoice_sequence)
    ).all()


def refuse_archived(connection: Connection, invoice: Row) -> None:
    """Raise where the journal as it stood at an invoice cannot be seen without an archive.

    Of archived months there are the usage rollups as they are in the end: the right ones where no
    later build has added to them, and no proof of what the invoice itself bills. Outside of the
    billing periods an invoice counts no usage, unless a wallet topped itself up by it.
    """
    if invoice.kind not in IN_ORDER and not is_automatic(invoice):
        return
    needed = archives_of_times(connection, invoice.period_start_at, invoice.period_end_at)
    needed += archives_counted_later(connection, invoice.journal_watermark)
    if needed:
        raise InvoiceStateError(
            f"{invoice.invoice_number} counts usage that is archived: "
            f"{restoring(sorted(set(needed)))} first, then recompute"
        )


def is_automatic(invoice: Row) -> bool:
    """Return whether an invoice sells what a wallet was found to lack, so that it counts usage."""
    # As in `acme:top_up:prepaid:automatic:1`, of the contract acme and its wallet prepaid.
    parts = str(invoice.invoice_id).split(":")
    return parts[1:2] == ["top_up"] and parts[3:4] == ["automatic"]


def compare_recomputation(warehouse: Warehouse, invoice_id: str) -> Recomputation:
    """Return the comparison of a finalised invoice with the one just rated again."""
    with warehouse.begin() as connection:
        invoice = finalised_invoice(connection, invoice_id)
        frozen = read_document(connection, "billing", invoice_id)
        rated = read_document(connection, f"{TARGET}_rating", invoice_id)
    if rated is None or frozen is None:
        return Recomputation(
            invoice_id,
            invoice.invoice_number,
            invoice.content_hash,
            None,
            ("the invoice is not among those rated again",),
        )
    differences = tuple(
        f"{name}: finalised {frozen[0][name]}, recomputed {rated[0][name]}"
        for name in frozen[0]
        if frozen[0][name] != rated[0][name]
    )
    before = {line["invoice_line_id"]: line for line in frozen[1]}
    after = {line["invoice_line_id"]: line for line in rated[1]}
    differences += tuple(
        f"line {line_id}: finalised {before.get(line_id, {}).get('amount')}, "
        f"recomputed {after.get(line_id, {}).get('amount')}"
        for line_id in sorted({*before, *after}, key=str)
        if before.get(line_id) != after.get(line_id)
    )
    # The frozen rows are hashed again too: they must still be what was finalised.
    if document_hash(frozen) != invoice.content_hash:
        differences += ("the frozen rows no longer have the hash they were finalised with",)
    return Recomputation(
        invoice_id,
        invoice.invoice_number,
        invoice.content_hash,
        document_hash(rated),
        differences,
    )
