"""What makes an invoice: its number, and the bytes that a finalised one must recompute to."""

import hashlib
import json
from collections.abc import Mapping, Sequence

HEADER_FIELDS = (
    "invoice_id",
    "kind",
    "customer_id",
    "for_customer_id",
    "contract_id",
    "plan_id",
    "period_start",
    "period_end",
    "currency",
    "subtotal",
    "tax",
    "total",
    "amount_due",
    "catalog_version",
)
LINE_FIELDS = (
    "invoice_line_id",
    "line_number",
    "kind",
    "charge_id",
    "dimension_id",
    "reference_id",
    "period_start",
    "period_end",
    "quantity",
    "billable_quantity",
    "exact_amount",
    "amount",
    "currency",
    "description",
    "catalog_version",
    "explanation",
)


def invoice_number(document: int, position: int = 1) -> str:
    """Return the number of an invoice, at most 26 characters; documents are counted without gaps.

    Of several invoices on a document the first has the number that the customer reads, the others
    have their position behind it.
    """
    number = f"INV-{document:06d}"
    return number if position == 1 else f"{number}-{position}"


def canonical_invoice(
    header: Mapping[str, str | None], lines: Sequence[Mapping[str, str | None]]
) -> bytes:
    """Return an invoice and its lines, in order, as canonical JSON.

    Every value is text as the warehouse prints it, so that amounts keep their scale; the number and
    the time of finalising are left out, since a recomputation cannot know them.
    """
    document = {
        "invoice": {name: header[name] for name in HEADER_FIELDS},
        "lines": [{name: line[name] for name in LINE_FIELDS} for line in lines],
    }
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def content_hash(
    header: Mapping[str, str | None], lines: Sequence[Mapping[str, str | None]]
) -> str:
    """Return the SHA-256 of the canonical invoice, in hexadecimal."""
    return hashlib.sha256(canonical_invoice(header, lines)).hexdigest()
