"""Schema ``ops``: the bookkeeping of pulls and builds."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Identity,
    Index,
    Integer,
    Table,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from models.tables.common import instant, schema, words

metadata = schema("ops")

pulls = Table(
    "pulls",
    metadata,
    words("pull_id", key=True),
    words("source"),
    instant("started_at"),
    instant("finished_at"),
    instant("complete_until", nullable=True),
    Column("delivery_count", BigInteger, nullable=False),
    Column("delivered_count", BigInteger, nullable=False),
    comment="One row per pull that brought something or moved the source's watermark.",
)

source_states = Table(
    "source_states",
    metadata,
    words("source", key=True),
    Column("cursor", JSONB),
    instant("complete_until", nullable=True),
    comment="One row per source: where its next pull resumes, and until when it is complete.",
)

builds = Table(
    "builds",
    metadata,
    Column("build_number", BigInteger, Identity(always=True), primary_key=True),
    words("fingerprint"),
    words("catalog_version"),
    instant("as_of"),
    Column("voided_count", BigInteger, nullable=False),
    instant("started_at"),
    instant("models_started_at", nullable=True),
    instant("finished_at", nullable=True),
    comment="One row per dbt build; journal entries carry the number of the build that wrote them.",
)

parameters = Table(
    "parameters",
    metadata,
    Column("is_current", Boolean, primary_key=True),
    Column("build_number", BigInteger, nullable=False),
    words("catalog_version"),
    instant("as_of"),
    Column("journal_watermark", BigInteger, nullable=False),
    Column("invoices_before", BigInteger, nullable=False),
    words("late_usage"),
    words("rollup_definition"),
    CheckConstraint("is_current", name="one_row"),
    comment="The one row that tells the dbt models what this build is about.",
)

journaled_deliveries = Table(
    "journaled_deliveries",
    metadata,
    Column("delivery_id", BigInteger, primary_key=True),
    words("source"),
    Column("landed_count", BigInteger, nullable=False),
    Column("journaled_count", BigInteger, nullable=False),
    Column("duplicate_count", BigInteger, nullable=False),
    Column("conflicting_count", BigInteger, nullable=False),
    Column("build_number", BigInteger, nullable=False),
    CheckConstraint(
        "landed_count = journaled_count + duplicate_count + conflicting_count",
        name="every_record_is_accounted_for",
    ),
    comment="One row per usage delivery that is in the journal, with what became of its records.",
)

claimed_deliveries = Table(
    "claimed_deliveries",
    metadata,
    Column("delivery_id", BigInteger, primary_key=True),
    words("source"),
    Column("landed_on", Date, nullable=False),
    comment="One row per usage delivery that the present build journals; set when it begins.",
)

rollups = Table(
    "rollups",
    metadata,
    words("rollup", key=True),
    Column("build_number", BigInteger, nullable=False),
    words("definition"),
    comment="One row per usage rollup: the last build whose journal entries it holds.",
)

dropped_days = Table(
    "dropped_days",
    metadata,
    Column("landed_on", Date, primary_key=True),
    Column("delivery_count", BigInteger, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("refused_count", BigInteger, nullable=False),
    instant("dropped_at"),
    comment="One row per UTC day whose landed usage records were dropped, all of them journaled.",
)

archives = Table(
    "archives",
    metadata,
    Column("archive_id", Integer, Identity(always=True), primary_key=True),
    words("directory"),
    Column("entry_count", BigInteger, nullable=False),
    instant("archived_at"),
    instant("restored_at", nullable=True),
    comment="One row per archive of the journal, those included that were restored.",
)

# The last build tells which invoices had counted all of the month when it was archived.
archived_months = Table(
    "archived_months",
    metadata,
    Column("usage_month", Date, primary_key=True),
    Column("archive_id", Integer, nullable=False),
    words("file"),
    Column("file_bytes", BigInteger, nullable=False),
    Column("entry_count", BigInteger, nullable=False),
    words("checksum"),
    Column("last_build_number", BigInteger, nullable=False),
    comment="One row per UTC month whose journal entries are in an archive.",
)

# A row for each archived entry, for ever: no column that deduplication can do without.
archived_entries = Table(
    "archived_entries",
    metadata,
    Column("record_key", UUID, primary_key=True),
    Column("content_hash", UUID, nullable=False),
    Column("archive_id", Integer, nullable=False),
    comment="One row per archived journal entry: its key, and a hash of what it says.",
)

archived_deliveries = Table(
    "archived_deliveries",
    metadata,
    Column("delivery_id", BigInteger, primary_key=True),
    Column("archive_id", Integer, primary_key=True),
    Column("entry_count", BigInteger, nullable=False),
    comment="One row per delivery and archive: how many of its entries were archived.",
)

kept_entries = Table(
    "kept_entries",
    metadata,
    Column("record_key", UUID, primary_key=True),
    Column("archive_id", Integer, primary_key=True),
    Column("is_in_archived_month", Boolean, nullable=False),
    Index(None, "archive_id"),
    comment="One row per entry that stayed in the journal though its month, or that of the entry "
    "which it corrects, was archived.",
)
