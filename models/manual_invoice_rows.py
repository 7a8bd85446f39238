"""The invoices that the catalog writes line by line, as rows."""

from collections.abc import Iterator

from models.contracts import Customer
from models.price_rows import TableRow
from models.tables import catalog as tables


def manual_invoice_rows(customer: Customer) -> Iterator[TableRow]:
    """Yield the rows of a customer's own invoices, and of their lines."""
    for invoice in customer.invoices:
        invoice_key = {"customer_id": customer.id, "manual_invoice_id": invoice.id}
        written = {"issued_on": invoice.issued_on, "content_hash": invoice.content_hash}
        yield tables.manual_invoices, {**invoice_key, **written}
        for number, line in enumerate(invoice.lines, start=1):
            line_key = {**invoice_key, "line_number": number}
            period_start, period_end = invoice.days_of(line)
            yield (
                tables.manual_lines,
                {
                    **line_key,
                    "description": line.description,
                    "period_start": period_start,
                    "period_end": period_end,
                    "amount": line.amount,
                    "quantity": line.quantity,
                    "unit_amount": line.unit_amount,
                    "has_own_taxes": line.tax is not None,
                },
            )
            for position, tax_id in enumerate(line.tax or (), start=1):
                yield (
                    tables.manual_line_taxes,
                    {**line_key, "tax_id": tax_id, "position": position},
                )
