"""Finalised invoices put straight into the warehouse, for tests of what happens to them after."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, insert, select

from assets.catalog.publishing import accept
from connectors.warehouse import Warehouse
from models.money import minor_units
from models.tables import billing, catalog

FINALISED_AT = datetime(2026, 10, 2, tzinfo=UTC)
START, END = date(2026, 9, 1), date(2026, 10, 1)


@dataclass(frozen=True)
class Line:
    amount: str
    kind: str = "usage"
    description: str = "Data processed"
    quantity: str | None = "12.500000000"


def new_customer(warehouse: Warehouse, customer_id: str | None = None, **values: Any) -> str:
    """Add a catalog with one customer, and return the customer's id."""
    customer_id = customer_id or f"acme-{secrets.token_hex(4)}"
    version = secrets.token_hex(6)
    customer = {
        "catalog_version": version,
        "customer_id": customer_id,
        "billed_customer_id": customer_id,
        "name": "Acme Corp",
        "email": "bills@acme.test",
        "country": "US",
        "tax_exempt": "none",
        "currency": "USD",
        "minor_units": 2,
        "timezone": "UTC",
        **values,
    }
    with warehouse.begin() as connection:
        number = connection.execute(select(func.max(catalog.versions.c.version_number))).scalar()
        connection.execute(
            insert(catalog.versions),
            {
                "version_number": (number or 0) + 1,
                "catalog_version": version,
                "accepted_at": FINALISED_AT,
                "content": {},
            },
        )
        accept(connection, version, FINALISED_AT)
        connection.execute(insert(catalog.customers), customer)
        connection.execute(
            insert(catalog.dimensions),
            {
                "catalog_version": version,
                "dimension_id": "data_processed",
                "name": "Data processed",
                "unit": "gigabyte",
                "aggregation": "sum",
                "convert_multiply": Decimal(1),
                "convert_divide": Decimal(1),
                "rounding_decimals": 9,
                "rounding_mode": "half_up",
                "carry_over": False,
                "has_deltas": False,
            },
        )
    return customer_id


def approved_invoice(
    warehouse: Warehouse,
    lines: Sequence[Line],
    *,
    customer_id: str | None = None,
    currency: str = "USD",
    is_approved: bool = True,
    document_id: str | None = None,
) -> str:
    """Add a finalised invoice with its lines, approved unless told otherwise; return its id.

    It is on the document of an earlier one if told so, and then the one in the outbox is that.
    """
    customer_id = customer_id or new_customer(warehouse)
    contract_id = f"contract-{secrets.token_hex(4)}"
    invoice_id = f"{contract_id}:{START.isoformat()}"
    with warehouse.begin() as connection:
        version = connection.execute(
            select(func.max(catalog.customers.c.catalog_version)).where(
                catalog.customers.c.customer_id == customer_id
            )
        ).scalar_one()
        shared = {
            "invoice_id": invoice_id,
            "customer_id": customer_id,
            "for_customer_id": customer_id,
            "contract_id": contract_id,
            "plan_id": "pay_as_you_go",
            "period_start": START,
            "period_end": END,
            "currency": currency,
            "catalog_version": version,
        }
        total = sum((Decimal(line.amount) for line in lines), Decimal(0))
        tax = sum((Decimal(line.amount) for line in lines if line.kind == "tax"), Decimal(0))
        sequence = connection.execute(
            select(func.coalesce(func.max(billing.invoices.c.invoice_sequence), 0) + 1)
        ).scalar_one()
        connection.execute(
            insert(billing.invoices),
            {
                **shared,
                "invoice_sequence": sequence,
                "invoice_number": f"INV-{sequence:06d}",
                "document_id": document_id or invoice_id,
                "kind": "period",
                "invoice_key": invoice_id,
                "period_start_at": datetime(2026, 9, 1, tzinfo=UTC),
                "period_end_at": datetime(2026, 10, 1, tzinfo=UTC),
                "minor_units": minor_units(currency),
                "subtotal": total - tax,
                "tax": tax,
                "total": total,
                "amount_due": total,
                "journal_watermark": 1,
                "as_of": FINALISED_AT,
                "finalised_at": FINALISED_AT,
                "content_hash": "0" * 64,
            },
        )
        if lines:
            connection.execute(
                insert(billing.invoice_lines),
                [line_row(shared, number, line) for number, line in enumerate(lines, start=1)],
            )
        steps = ["finalised", "approved"] if is_approved else ["finalised"]
        connection.execute(
            insert(billing.invoice_events),
            [
                {
                    "invoice_id": invoice_id,
                    "event": step,
                    "actor": "test",
                    "happened_at": FINALISED_AT,
                    "details": {},
                }
                for step in steps
            ],
        )
        if is_approved and document_id is None and total > 0:
            connection.execute(
                insert(billing.outbox),
                {
                    "invoice_id": invoice_id,
                    "state": "pending",
                    "attempt": 0,
                    "updated_at": FINALISED_AT,
                },
            )
    return invoice_id


def line_row(shared: dict[str, Any], number: int, line: Line) -> dict[str, Any]:
    quantity = None if line.quantity is None else Decimal(line.quantity)
    return {
        **shared,
        "invoice_line_id": f"{shared['invoice_id']}/{line.kind}/{number}",
        "line_number": number,
        "kind": line.kind,
        "charge_id": "data",
        "dimension_id": "data_processed" if line.kind == "usage" else None,
        "quantity": quantity,
        "billable_quantity": quantity,
        "exact_amount": Decimal(line.amount),
        "amount": Decimal(line.amount),
        "description": line.description,
        "explanation": {},
    }
