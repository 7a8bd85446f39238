"""What is archived of the journal, and where."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, select, text

from models.tables import ops

JOURNAL = "journal.jnl_usage_entries"
# Held while recomputing, which reads the journal over several transactions.
RECOMPUTE_LOCK = "recompute"
LOCK_WAIT_SECONDS = 900

# Of the instants and numbers in it, the text is the same in every session of ours.
CHECKSUM = """
    count(*)::text
    || ':' || coalesce(sum(('x' || left(hashed.digest, 16))::bit(64)::bigint::numeric), 0)::text
    || ':' || coalesce(sum(('x' || right(hashed.digest, 16))::bit(64)::bigint::numeric), 0)::text
"""
DIGEST = """
    md5(row(
        occurred_at, record_key, delivery_id, row_number, build_number, sign, is_reversal,
        tenant_id, dimension_id, value, record_id, metadata, corrects_key
    )::text)
"""
NEEDED = """
    select distinct archive_id
    from ops.archived_months
    where
        usage_month::timestamp at time zone 'UTC' < :end
        and (usage_month + interval '1 month') at time zone 'UTC' > :start
    order by archive_id
"""
COUNTED_LATER = """
    select distinct archive_id
    from ops.archived_months
    where last_build_number > :build_number
    order by archive_id
"""
OF_LINE = """
    select distinct months.archive_id
    from marts.fct_invoice_lines as lines
    inner join rating.int_metered_spans as spans
        on lines.invoice_line_id
            = spans.invoice_id || '/usage/' || spans.charge_id || '/' || spans.part_number
    inner join ops.archived_months as months
        on spans.span_start_at < (months.usage_month + interval '1 month') at time zone 'UTC'
        and spans.span_end_at > months.usage_month::timestamp at time zone 'UTC'
    where lines.invoice_line_id = :line_id
    order by months.archive_id
"""


class ArchiveRefused(Exception):  # noqa: N818 - the user has to do something first.
    """The journal cannot be archived or restored as asked; the message says why."""


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive: where its files are, what months are in it, and how much."""

    archive_id: int
    directory: str
    months: tuple[date, ...]
    entry_count: int
    file_bytes: int
    archived_at: datetime
    restored_at: datetime | None


def list_archives(connection: Connection) -> list[Archive]:
    """Return all archives, oldest first; one that was restored has no months any more."""
    months = connection.execute(
        select(ops.archived_months).order_by(ops.archived_months.c.usage_month)
    ).all()
    return [
        Archive(
            row.archive_id,
            row.directory,
            tuple(month.usage_month for month in months if month.archive_id == row.archive_id),
            row.entry_count,
            sum(month.file_bytes for month in months if month.archive_id == row.archive_id),
            row.archived_at,
            row.restored_at,
        )
        for row in connection.execute(select(ops.archives).order_by(ops.archives.c.archive_id))
    ]


def archives_of_times(connection: Connection, start: datetime, end: datetime) -> list[int]:
    """Return the archives that hold entries of an interval."""
    found = connection.execute(text(NEEDED), {"start": start, "end": end})
    return list(found.scalars())


def archives_counted_later(connection: Connection, build_number: int) -> list[int]:
    """Return the archives with months to which a later build than this has added."""
    found = connection.execute(text(COUNTED_LATER), {"build_number": build_number})
    return list(found.scalars())


def archives_of_line(connection: Connection, line_id: str) -> list[int]:
    """Return the archives that hold records of an invoice line."""
    return list(connection.execute(text(OF_LINE), {"line_id": line_id}).scalars())


def restoring(archives: Iterable[int]) -> str:
    """Return the commands that bring archives back, for a message."""
    return " and ".join(f"`meterhouse journal restore {archive}`" for archive in archives)
