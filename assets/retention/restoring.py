"""Restoring: what was archived goes back into the journal, as it was."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Row, delete, select, text, update

from assets.retention.archiving import load_file
from assets.retention.ledger import (
    JOURNAL,
    LOCK_WAIT_SECONDS,
    RECOMPUTE_LOCK,
    ArchiveRefused,
)
from assets.transform.parameters import BUILD_LOCK
from connectors.journal_files import COLUMNS, ArchiveFileError
from connectors.warehouse import Warehouse
from models.tables import ops

RETURN = """
    insert into {journal} ({columns})
    select {columns}
    from pg_temp.archived_month
    order by occurred_at, record_key
"""


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """How many entries of how many months are back in the journal."""

    archive_id: int
    month_count: int
    entry_count: int


def restore_journal(
    warehouse: Warehouse, archive_id: int, now: datetime, directory: Path | None = None
) -> RestoreReport:
    """Put the entries of an archive back into the journal, in one transaction.

    Each file has to hold exactly what was archived in it. ``directory`` is where the files are now,
    if they were moved; they stay there. A build that did not finish is no reason to refuse, as it
    is for archiving: one that needs an archive stops, and asks for it to be restored.
    """
    with (
        warehouse.locked(BUILD_LOCK, LOCK_WAIT_SECONDS),
        warehouse.locked(RECOMPUTE_LOCK, LOCK_WAIT_SECONDS),
        warehouse.begin() as connection,
    ):
        archive = _archive(connection, archive_id)
        months = connection.execute(
            select(ops.archived_months)
            .where(ops.archived_months.c.archive_id == archive_id)
            .order_by(ops.archived_months.c.usage_month)
        ).all()
        folder = directory or Path(archive.directory)
        for month in months:
            _return_month(connection, folder / month.file, month)
        _forget(connection, archive)
        connection.execute(
            update(ops.archives)
            .where(ops.archives.c.archive_id == archive_id)
            .values(restored_at=now)
        )
        connection.execute(text(f"analyze {JOURNAL}"))
    return RestoreReport(archive_id, len(months), archive.entry_count)


def _archive(connection: Connection, archive_id: int) -> Row:
    archive = connection.execute(
        select(ops.archives).where(ops.archives.c.archive_id == archive_id)
    ).one_or_none()
    if archive is None:
        raise ArchiveRefused(
            f"there is no archive {archive_id}; `meterhouse journal archives` lists them"
        )
    if archive.restored_at is not None:
        raise ArchiveRefused(
            f"archive {archive_id} is back in the journal since {archive.restored_at:%Y-%m-%d}"
        )
    return archive


def _return_month(connection: Connection, file: Path, month: Row) -> None:
    if not file.is_file():
        raise ArchiveFileError(
            f"there is no {file}; if the archive was moved, say where it is with --from"
        )
    load_file(connection, file, month.checksum)
    connection.execute(text(RETURN.format(journal=JOURNAL, columns=", ".join(COLUMNS))))


def _forget(connection: Connection, archive: Row) -> None:
    """Take what the ledger knows of an archive out of it: nothing else may ever do so."""
    connection.execute(
        text("select set_config('meterhouse.restored_archive', :archive, true)"),
        {"archive": str(archive.archive_id)},
    )
    forgotten = connection.execute(
        delete(ops.archived_entries).where(ops.archived_entries.c.archive_id == archive.archive_id)
    ).rowcount
    connection.execute(text("select set_config('meterhouse.restored_archive', '', true)"))
    if forgotten != archive.entry_count:
        raise ArchiveRefused(
            f"archive {archive.archive_id} has {archive.entry_count} entries, but the warehouse "
            f"knows {forgotten} of them: nothing was restored"
        )
    for table in (ops.archived_months, ops.archived_deliveries, ops.kept_entries):
        connection.execute(delete(table).where(table.c.archive_id == archive.archive_id))
