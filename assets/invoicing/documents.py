"""Reading invoices as documents: headers and lines as text, drafts and frozen ones alike."""

from sqlalchemy import Connection, text

from models.invoice import HEADER_FIELDS, LINE_FIELDS, content_hash

Document = tuple[dict[str, str | None], list[dict[str, str | None]]]


def read_document(connection: Connection, schema: str, invoice_id: str) -> Document | None:
    """Return header and lines of an invoice, every value as the warehouse prints it.

    ``schema`` is ``billing`` for a frozen invoice, else the schema in which it was rated. None
    where there is no such invoice.
    """
    invoices, lines = (
        ("invoices", "invoice_lines")
        if schema == "billing"
        else ("int_invoices", "int_invoice_lines")
    )
    header_columns = ", ".join(f"{name}::text as {name}" for name in HEADER_FIELDS)
    line_columns = ", ".join(f"lines.{name}::text as {name}" for name in LINE_FIELDS)
    header = connection.execute(
        text(f"select {header_columns} from {schema}.{invoices} where invoice_id = :invoice_id"),  # noqa: S608
        {"invoice_id": invoice_id},
    ).one_or_none()
    if header is None:
        return None
    rows = connection.execute(
        text(
            f"select {line_columns} from {schema}.{lines} as lines"  # noqa: S608
            " where lines.invoice_id = :invoice_id order by lines.line_number"
        ),
        {"invoice_id": invoice_id},
    )
    return dict(header._mapping), [dict(row._mapping) for row in rows]


def document_hash(document: Document) -> str:
    """Return the content hash of a document."""
    return content_hash(*document)
