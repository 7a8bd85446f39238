"""The command that explains an invoice or a line: its steps, and the records it is made of."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.billing import require_marts
from orchestration.cli.printing import Cell, Printer, money
from orchestration.cli.session import Session, session_of
from orchestration.failures import ActionNeeded

if TYPE_CHECKING:
    from sqlalchemy import Row

    from assets.invoicing.explanation import Explanation

COLUMNS = ["No.", "Line, and how it came about", "Quantity", "Price", "Days", "Exact", "Amount"]


def explain(
    context: typer.Context,
    reference: Annotated[
        str, typer.Argument(metavar="INVOICE_OR_LINE", help="Id or number of an invoice or line.")
    ],
    records: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write all source records into a file: .csv, .jsonl or .parquet.",
        ),
    ] = None,
    first: Annotated[
        int, typer.Option(help="How many source records of a usage line to show.", min=0)
    ] = 20,
) -> None:
    """Show how an invoice or a line came about, down to the source records."""
    from assets.invoicing.explanation import explain as explanations_of

    session = session_of(context)
    require_marts(session)
    explanations = explanations_of(session.warehouse, reference)
    line = explanations[0].line(reference)
    if records is not None:
        lines = [line] if line is not None else [each for one in explanations for each in one.lines]
        export_records(session, lines, records)
    elif line is not None:
        explain_line(session, explanations[0], line, first)
    else:
        told = [told_invoice(explanation) for explanation in explanations]
        session.printer.json(told[0] if len(told) == 1 else {"invoices": told})
        for explanation in explanations:
            explain_invoice(session.printer, explanation)
        if len(told) > 1:
            print_document(session.printer, [explanation.invoice for explanation in explanations])


def told_invoice(explanation: "Explanation") -> dict[str, Any]:
    """Return an invoice with its lines, as programs read it."""
    lines = [as_told(explanation, line) for line in explanation.lines]
    return {"invoice": dict(explanation.invoice._mapping), "lines": lines}


def explain_invoice(printer: Printer, explanation: "Explanation") -> None:
    """Print an invoice: each line with its steps, and what they come to."""
    invoice = explanation.invoice
    head(printer, invoice)
    rows = [row for line in explanation.lines for row in rows_of(explanation, line)]
    printer.table(COLUMNS, [*rows, *totals_of(invoice)])
    printer.line(
        "`meterhouse explain LINE` shows the source records of a line, --records FILE writes them "
        "all. Ids of lines:"
    )
    for line in explanation.lines:
        printer.line(f"  {line.line_number}  {line.invoice_line_id}")


def print_document(printer: Printer, invoices: "Sequence[Row]") -> None:
    """Print what the invoices of a document come to."""
    total = sum(invoice.total for invoice in invoices)
    printer.line(
        f"{invoices[0].document_number} is {len(invoices)} invoices: together "
        f"{money(total, invoices[0].currency)} {invoices[0].currency}"
    )


def explain_line(session: Session, explanation: "Explanation", line: "Row", first: int) -> None:
    """Print a line: its steps, groups, the other lines of its charge, and its first records."""
    from assets.invoicing.explanation import usage_records
    from assets.retention.ledger import archives_of_line, restoring

    printer = session.printer
    with session.warehouse.begin() as connection:
        archives = archives_of_line(connection, line.invoice_line_id)
        # What stayed in the journal is not what the line is made of.
        found = [] if archives else usage_records(connection, line.invoice_line_id)
        records = [dict(row._mapping) for row in islice(found, first)]
    told = as_told(explanation, line)
    printer.json({**told, "records": records, "archives": archives})
    head(printer, explanation.invoice)
    printer.table(COLUMNS, rows_of(explanation, line))
    print_groups(printer, explanation, line)
    print_charge(printer, explanation, line)
    if archives:
        printer.line(f"Its source records are archived: {restoring(archives)} brings them back.")
    if records:
        print_records(printer, records, first)


def head(printer: Printer, invoice: Any) -> None:
    """Print what an invoice is, in a line."""
    number = f"{invoice.invoice_number} ({invoice.invoice_id})"
    printer.line(
        f"{number if invoice.invoice_number else invoice.invoice_id}, {invoice.status}: "
        f"{invoice.customer_id}, {invoice.period_start} until before {invoice.period_end}, "
        f"{money(invoice.total, invoice.currency)} {invoice.currency}"
    )


def as_told(explanation: "Explanation", line: "Row") -> dict[str, Any]:
    """Return a line with its steps and groups, as programs read it."""
    return {
        **dict(line._mapping),
        "steps": [without_line(step) for step in explanation.steps_of(line)],
        "groups": [without_line(group) for group in explanation.groups_of(line)],
    }


def without_line(row: "Row") -> dict[str, Any]:
    """Return what a row says of its line."""
    return {name: value for name, value in row._mapping.items() if name != "invoice_line_id"}


def rows_of(explanation: "Explanation", line: "Row") -> list[list[Cell]]:
    """Return a line and, below it, its steps."""
    invoice, about = explanation.invoice, f"{line.description} ({line.kind})"
    if (line.period_start, line.period_end) != (invoice.period_start, invoice.period_end):
        about += f", {line.period_start} until before {line.period_end}"
    amount = money(line.amount, line.currency)
    rows: list[list[Cell]] = [[line.line_number, about, None, None, None, None, amount]]
    for step in explanation.steps_of(line):
        days = f"{step.days} of {step.of_days}" if step.days is not None else None
        words = f"  {step.description}{in_words(step.price_group)}"
        rows.append([None, words, step.quantity, step.unit_amount, days, step.amount, None])
    return rows


def totals_of(invoice: Any) -> Iterator[list[Cell]]:
    """Yield what the lines of an invoice come to."""
    amounts = {"Net": invoice.subtotal, "Tax": invoice.tax, "Total": invoice.total}
    if not invoice.tax:
        amounts = {"Total": invoice.total}
    for name, amount in amounts.items():
        yield [None, name, None, None, None, None, money(amount, invoice.currency)]


def in_words(group: Mapping[str, str] | None) -> str:
    """Return metadata that are told apart, as people read it."""
    if not group:
        return ""
    return " (" + ", ".join(f"{key} {value}" for key, value in sorted(group.items())) + ")"


def print_groups(printer: Printer, explanation: "Explanation", line: "Row") -> None:
    """Print into what a line is broken down, if it is."""
    groups = explanation.groups_of(line)
    if groups:
        printer.table(
            ["Group", "Quantity", "Amount"],
            [
                [
                    in_words(group.line_group).strip(" ()") or "none of the keys",
                    group.quantity,
                    money(group.amount, line.currency),
                ]
                for group in groups
            ],
            title="Broken down by group",
        )


def print_charge(printer: Printer, explanation: "Explanation", line: "Row") -> None:
    """Print what else the invoice bills of a line's charge, if there is anything."""
    lines = explanation.beside(line)
    if len(lines) > 1:
        total = sum(other.amount for other in lines)
        printer.table(
            ["No.", "Line", "Amount"],
            [
                *(
                    [other.line_number, other.description, money(other.amount, line.currency)]
                    for other in lines
                ),
                [None, "Together", money(total, line.currency)],
            ],
            title=f"All of the charge {line.charge_id} on this invoice",
        )


def print_records(printer: Printer, records: list[dict[str, Any]], first: int) -> None:
    """Print source records with where they came from."""
    columns = ["source", "record_id", "tenant_id", "occurred_at", "value", "object", "row_number"]
    printer.table(
        ["Source", "Record", "Tenant", "When (UTC)", "Value", "Delivered in", "Row", ""],
        [[*(record[name] for name in columns), remark_of(record)] for record in records],
        title=f"Source records (at most {first}; --first N shows more, --records FILE writes all)",
    )


def remark_of(record: Mapping[str, Any]) -> str:
    """Return what is special about a record."""
    if record["is_earlier"]:
        return "level from before"
    if record["is_reversal"]:
        return "taken back"
    return "cancels another" if not record["sign"] else ""


def export_records(session: Session, lines: "list[Row]", file: Path) -> None:
    """Write the source records of a line, or of all usage lines of invoices, into a file."""
    from connectors.record_files import write_records

    line_ids = [one.invoice_line_id for one in lines if one.kind == "usage"]
    if not line_ids:
        raise ActionNeeded("only usage lines are made of source records, and this is none")
    written = dict.fromkeys(line_ids, 0)
    with session.printer.waiting(f"Writing {file}"):
        write_records(file, records_of(session, line_ids, written))
    session.printer.json({"file": str(file), "records": written})
    for line_id, count in written.items():
        session.printer.line(f"{line_id}: {count:,} records")
    session.printer.line(f"Wrote {sum(written.values()):,} records into {file}.")


def records_of(
    session: Session, line_ids: list[str], written: dict[str, int]
) -> Iterator[dict[str, Any]]:
    """Yield the records of lines, counting them; refuse where some are archived."""
    from assets.invoicing.explanation import usage_records
    from assets.retention.ledger import archives_of_line, restoring

    for line_id in line_ids:
        with session.warehouse.begin() as connection:
            archives = archives_of_line(connection, line_id)
            if archives:
                raise ActionNeeded(
                    f"source records of {line_id} are archived: {restoring(archives)} first"
                )
            for record in usage_records(connection, line_id):
                written[line_id] += 1
                yield {"invoice_line_id": line_id, **record._mapping}
