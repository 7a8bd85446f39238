"""Schema ``raw``: what was delivered, with where it came from. Rows are only ever added."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Identity,
    Index,
    Integer,
    Numeric,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB, UUID

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

# No key and no index on single rows: whoever wants a delivery's rows finds them by the day it
# landed and by the ranges of ids that a BRIN index keeps, which cost nothing to write.
usage_records = Table(
    "usage_records",
    metadata,
    Column("landed_on", Date, nullable=False),
    Column("delivery_id", Integer, nullable=False),
    Column("row_number", Integer, nullable=False),
    Column("record_key", UUID, nullable=False),
    instant("occurred_at"),
    Column("value", QUANTITY, nullable=False),
    words("tenant_id"),
    words("dimension_id"),
    words("record_id"),
    Column("metadata", JSON),
    words("corrects", nullable=True),
    Index(None, "delivery_id", postgresql_using="brin"),
    Index(
        "ix_usage_records_corrections", "delivery_id", postgresql_where=text("corrects is not null")
    ),
    postgresql_partition_by="range (landed_on)",
    comment="One row per usage record as delivered, by UTC day of landing; the same record may be "
    "delivered many times.",
)

# Where nothing of a record became an entry, its row is all there is of it.
refused_records = Table(
    "refused_records",
    metadata,
    Column("delivery_id", Integer, primary_key=True),
    Column("row_number", Integer, primary_key=True),
    Column("record_key", UUID, nullable=False),
    instant("occurred_at"),
    Column("value", QUANTITY, nullable=False),
    words("tenant_id"),
    words("dimension_id"),
    words("record_id"),
    Column("metadata", JSON),
    words("corrects", nullable=True),
    comment="One row per usage record that the journal refused, of landing days that were dropped.",
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
