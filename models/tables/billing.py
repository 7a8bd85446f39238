"""Schema ``billing``: finalised invoices, and what became of them outside.

``invoices`` and ``invoice_lines`` are frozen by trigger; what happens to an invoice later is a row
in ``invoice_events``.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

from models.tables.common import AMOUNT, EXACT_AMOUNT, QUANTITY, instant, schema, words

metadata = schema("billing")

invoices = Table(
    "invoices",
    metadata,
    words("invoice_id", key=True),
    Column("invoice_sequence", BigInteger, nullable=False, unique=True),
    words("invoice_number"),
    words("document_id"),
    words("kind"),
    words("invoice_key"),
    words("customer_id"),
    words("for_customer_id"),
    words("contract_id", nullable=True),
    words("plan_id", nullable=True),
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("period_start", Date, nullable=False),
    Column("period_end", Date, nullable=False),
    instant("period_start_at"),
    instant("period_end_at"),
    words("currency"),
    Column("minor_units", Integer, nullable=False),
    Column("subtotal", AMOUNT, nullable=False),
    Column("tax", AMOUNT, nullable=False),
    Column("tax_included", AMOUNT, nullable=False, server_default="0"),
    Column("total", AMOUNT, nullable=False),
    Column("amount_due", AMOUNT, nullable=False),
    words("catalog_version"),
    Column("journal_watermark", BigInteger, nullable=False),
    Column("late_usage", Text, nullable=False, server_default="adjust"),
    instant("as_of"),
    instant("finalised_at"),
    words("content_hash"),
    UniqueConstraint("invoice_number"),
    UniqueConstraint("invoice_key", "revision"),
    Index(None, "document_id"),
    comment="One row per finalised invoice; never updated or deleted.",
)

invoice_lines = Table(
    "invoice_lines",
    metadata,
    words("invoice_line_id", key=True),
    words("invoice_id"),
    Column("line_number", Integer, nullable=False),
    words("kind"),
    words("customer_id"),
    words("for_customer_id"),
    words("contract_id", nullable=True),
    words("plan_id", nullable=True),
    words("charge_id", nullable=True),
    words("dimension_id", nullable=True),
    words("reference_id", nullable=True),
    Column("period_start", Date, nullable=False),
    Column("period_end", Date, nullable=False),
    Column("quantity", QUANTITY),
    Column("billable_quantity", QUANTITY),
    Column("exact_amount", EXACT_AMOUNT, nullable=False),
    Column("amount", AMOUNT, nullable=False),
    Column("tax_included", AMOUNT, nullable=False, server_default="0"),
    words("currency"),
    words("description"),
    words("catalog_version"),
    Column("explanation", JSONB, nullable=False),
    UniqueConstraint("invoice_id", "line_number"),
    comment="One row per line of a finalised invoice; never updated or deleted.",
)

invoice_events = Table(
    "invoice_events",
    metadata,
    Column("event_id", BigInteger, Identity(always=True), primary_key=True),
    words("invoice_id"),
    words("event"),
    words("actor"),
    instant("happened_at"),
    Column("details", JSONB, nullable=False),
    UniqueConstraint("invoice_id", "event"),
    CheckConstraint(
        "event in ('finalised', 'approved', 'posted', 'voided')", name="event_is_known"
    ),
    comment="One row per step of our own that an invoice went through.",
)

outbox = Table(
    "outbox",
    metadata,
    words("invoice_id", key=True),
    words("state"),
    Column("attempt", Integer, nullable=False),
    instant("first_tried_at", nullable=True),
    instant("key_since", nullable=True),
    Column("last_http_status", Integer),
    words("last_error", nullable=True),
    words("stripe_invoice_id", nullable=True),
    instant("updated_at"),
    CheckConstraint("state in ('pending', 'sending', 'posted', 'failed')", name="state_is_known"),
    comment="One row per approved document that is to exist in Stripe exactly once.",
)

stripe_customers = Table(
    "stripe_customers",
    metadata,
    words("customer_id", key=True),
    words("stripe_customer_id"),
    instant("created_at"),
    comment="One row per customer that Meterhouse itself created in Stripe.",
)

stripe_invoices = Table(
    "stripe_invoices",
    metadata,
    words("stripe_invoice_id", key=True),
    words("invoice_id"),
    words("status"),
    words("currency"),
    Column("total", AMOUNT, nullable=False),
    Column("tax", AMOUNT, nullable=False, server_default="0"),
    Column("amount_due", AMOUNT, nullable=False),
    Column("amount_paid", AMOUNT, nullable=False),
    Column("amount_remaining", AMOUNT, nullable=False),
    Column("attempt_count", Integer, nullable=False),
    words("hosted_invoice_url", nullable=True),
    instant("synced_at"),
    UniqueConstraint("invoice_id"),
    comment="One row per invoice in Stripe, as of the last synchronisation.",
)
