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


def invoice_number(sequence: int) -> str:
    """Return the number a customer reads; the sequence has no gaps. At most 26 characters."""
    return f"INV-{sequence:06d}"


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
