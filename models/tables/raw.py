"""Schema ``raw``: what was delivered, with where it came from. Rows are only ever added."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Numeric,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from models.tables.common import EXACT_AMOUNT, QUANTITY, instant, schema, words

metadata = schema("raw")

deliveries = Table(
    "deliveries",
    metadata,
    Column("delivery_id", BigInteger, Identity(always=True), primary_key=True),
    words("source"),
    words("kind"),
    words("object"),
    words("version"),
    Column("replays_delivery_id", BigInteger),
    words("pull_id"),
    instant("landed_at"),
    Column("delivered_count", BigInteger, nullable=False),
    Column("landed_count", BigInteger, nullable=False),
    Column("quarantined_count", BigInteger, nullable=False),
    Column("rounded_count", BigInteger, nullable=False),
    UniqueConstraint("source", "object", "version"),
    CheckConstraint("kind in ('usage', 'cost')", name="kind_is_known"),
    CheckConstraint(
        "delivered_count = landed_count + quarantined_count", name="every_row_is_accounted_for"
    ),
    comment="One row per delivery: one version of an object, page or day that a source delivered.",
)

usage_records = Table(
    "usage_records",
    metadata,
    Column("delivery_id", BigInteger, primary_key=True),
    Column("row_number", BigInteger, primary_key=True),
    Column("record_key", UUID, nullable=False),
    words("source"),
    words("record_id"),
    instant("occurred_at"),
    words("tenant_id"),
    words("dimension_id"),
    Column("value", QUANTITY, nullable=False),
    Column("metadata", JSONB),
    Column("corrects_key", UUID),
    words("corrects", nullable=True),
    Column("content_hash", UUID, nullable=False),
    comment="One row per usage record as delivered; the same record may be delivered many times.",
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("delivery_id", BigInteger, primary_key=True),
    Column("row_number", BigInteger, primary_key=True),
    words("reason"),
    words("detail"),
    words("record"),
    instant("quarantined_at"),
    comment="One row per delivered row that could not be read, with the reason; row 0 is the file.",
)

quarantine_resolutions = Table(
    "quarantine_resolutions",
    metadata,
    Column("delivery_id", BigInteger, primary_key=True),
    Column("row_number", BigInteger, primary_key=True),
    words("resolution"),
    Column("replay_delivery_id", BigInteger),
    instant("resolved_at"),
    CheckConstraint("resolution in ('replayed', 'waived')", name="resolution_is_known"),
    comment="One row per quarantined row that was replayed or waived.",
)

cost_lines = Table(
    "cost_lines",
    metadata,
    Column("delivery_id", BigInteger, primary_key=True),
    Column("row_number", BigInteger, primary_key=True),
    words("source"),
    instant("charge_period_start"),
    instant("charge_period_end"),
    instant("billing_period_start"),
    instant("billing_period_end"),
    words("charge_category"),
    words("charge_class", nullable=True),
    words("charge_description", nullable=True),
    words("provider_name", nullable=True),
    words("billing_account_id", nullable=True),
    words("sub_account_id", nullable=True),
    words("service_name"),
    words("service_category", nullable=True),
    words("region_id", nullable=True),
    words("resource_id", nullable=True),
    words("sku_id", nullable=True),
    Column("billed_cost", EXACT_AMOUNT, nullable=False),
    Column("effective_cost", EXACT_AMOUNT, nullable=False),
    Column("list_cost", EXACT_AMOUNT),
    Column("contracted_cost", EXACT_AMOUNT),
    words("billing_currency"),
    Column("consumed_quantity", Numeric(38, 15)),
    words("consumed_unit", nullable=True),
    Column("tags", JSONB, nullable=False),
    Column("is_estimated", Boolean, nullable=False),
    comment="One row per cost line of a delivery, in FOCUS columns; later deliveries restate it.",
)
