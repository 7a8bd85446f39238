"""Archiving: whole months of the journal go into Parquet files, and out of the database.

All of it is one transaction, and no file is trusted before it was read back: whatever happens, the
journal is as it was, or the archive is complete. What stays of an archived entry is its key and a
hash of its content, so that it is known again for ever.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from sqlalchemy import Connection, Row, func, insert, select, text, update

from assets.retention.leaving import months_to_archive, refuse_unsettled, take_leave
from assets.retention.ledger import (
    CHECKSUM,
    DIGEST,
    JOURNAL,
    LOCK_WAIT_SECONDS,
    RECOMPUTE_LOCK,
    ArchiveRefused,
)
from assets.transform.parameters import BUILD_LOCK
from connectors.journal_files import ArchiveFileError, read_entries, write_entries
from connectors.rewriting import make_successor, partitions_of, replace
from connectors.warehouse import Warehouse
from models.tables import ops

LEAVING = """
    select entries.*
    from journal.jnl_usage_entries as entries
    inner join ops.archived_entries as archived
        on entries.record_key = archived.record_key and archived.archive_id = {archive_id}
"""
# Of a key that leaves there is one entry: what has a reversal stays.
STAYING = """
    not exists (
        select 1
        from ops.archived_entries as archived
        where archived.record_key = entries.record_key and archived.archive_id = {archive_id}
    )
"""
IN_MONTH = """
    where
        entries.occurred_at >= date '{month}'::timestamp at time zone 'UTC'
        and entries.occurred_at < (date '{month}' + interval '1 month') at time zone 'UTC'
"""
CHECKSUMS = """
    select
        date_trunc('month', hashed.occurred_at at time zone 'UTC')::date as usage_month,
        count(*) as entry_count,
        {checksum} as checksum
    from (select occurred_at, {digest} as digest from ({entries}) as entries) as hashed
    group by 1
    order by 1
"""
LAST_BUILDS = """
    select max(build_number)
    from journal.jnl_control_totals
    where usage_month = :month
"""
DELIVERIES = """
    insert into ops.archived_deliveries (delivery_id, archive_id, entry_count)
    select delivery_id, :archive_id, count(*)
    from ({entries}) as entries
    group by delivery_id
"""


@dataclass(frozen=True, slots=True)
class ArchivedMonth:
    """A month in an archive: how many entries, and the size of its file."""

    month: date
    entry_count: int
    file: Path
    file_bytes: int


@dataclass(frozen=True, slots=True)
class ArchiveReport:
    """What an archive holds, and how many entries of its months stayed in the journal."""

    archive_id: int
    directory: Path
    months: tuple[ArchivedMonth, ...]
    kept_count: int

    @property
    def entry_count(self) -> int:
        """Return how many entries were archived."""
        return sum(month.entry_count for month in self.months)


def archive_journal(
    warehouse: Warehouse, before: date, directory: Path, now: datetime
) -> ArchiveReport:
    """Move the journal's entries of whole UTC months before a boundary into files.

    Refused with ``ArchiveRefused`` where an open invoice touches one of the months. Entries that
    take part in a correction stay, and those that rating reads one by one. Takes as much free space
    in the database as the rest of the journal has, until it is done.
    """
    with (
        warehouse.locked(BUILD_LOCK, LOCK_WAIT_SECONDS),
        warehouse.locked(RECOMPUTE_LOCK, LOCK_WAIT_SECONDS),
        warehouse.begin() as connection,
    ):
        refuse_unsettled(connection)
        connection.execute(text(f"lock table {JOURNAL} in share row exclusive mode"))
        months = months_to_archive(connection, before)
        archive_id = _begin(connection, now)
        take_leave(connection, archive_id, months)
        folder = directory.resolve() / f"journal-{archive_id:06d}"
        with _new_folder(folder):
            archived = _write_files(connection, archive_id, folder)
            _rewrite(connection, archive_id)
            kept = _finish(connection, archive_id, folder, archived)
        return ArchiveReport(archive_id, folder, tuple(archived), kept)


def _begin(connection: Connection, now: datetime) -> int:
    archive_id: int = connection.execute(
        insert(ops.archives)
        .values(directory="", entry_count=0, archived_at=now)
        .returning(ops.archives.c.archive_id)
    ).scalar_one()
    return archive_id


@contextmanager
def _new_folder(folder: Path) -> Iterator[None]:
    """Make the folder of an archive; of one that fails nothing remains.

    Only until the transaction is about to be committed: of a commit whose answer was lost nobody
    knows whether the entries are still in the database.
    """
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise ArchiveRefused(f"the archive cannot be written to {folder}: {error}") from error
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _write_files(connection: Connection, archive_id: int, folder: Path) -> list[ArchivedMonth]:
    """Write a file for each month, and keep in the database what it must say when it is read."""
    entries = LEAVING.format(archive_id=archive_id)
    archived = []
    for expected in connection.execute(text(_checksums(entries))).all():
        file = folder / f"usage-{expected.usage_month:%Y-%m}.parquet"
        in_month = IN_MONTH.format(month=expected.usage_month)
        query = f"{entries}{in_month} order by entries.occurred_at, entries.record_key"
        write_entries(connection, query, file)
        load_file(connection, file, expected.checksum)
        archived.append(_record(connection, archive_id, expected, file))
    _make_durable(folder)
    return archived


def load_file(connection: Connection, file: Path, checksum: str) -> None:
    """Read a month's file into the temporary table ``archived_month``; raise if it has changed."""
    connection.execute(text("drop table if exists pg_temp.archived_month"))
    connection.execute(text(f"create temp table archived_month (like {JOURNAL}) on commit drop"))
    read_entries(connection, file, "pg_temp.archived_month")
    found = connection.execute(text(_checksums("select * from pg_temp.archived_month"))).all()
    if [row.checksum for row in found] != [checksum]:
        raise ArchiveFileError(f"{file} does not hold the entries that were archived in it")


def _checksums(entries: str) -> str:
    return CHECKSUMS.format(checksum=CHECKSUM, digest=DIGEST, entries=entries)


def _record(connection: Connection, archive_id: int, written: Row, file: Path) -> ArchivedMonth:
    size = file.stat().st_size
    month = {"month": written.usage_month}
    connection.execute(
        insert(ops.archived_months).values(
            usage_month=written.usage_month,
            archive_id=archive_id,
            file=file.name,
            file_bytes=size,
            entry_count=written.entry_count,
            checksum=written.checksum,
            last_build_number=connection.execute(text(LAST_BUILDS), month).scalar_one(),
        )
    )
    return ArchivedMonth(written.usage_month, written.entry_count, file, size)


def _make_durable(folder: Path) -> None:
    for directory in (folder, folder.parent):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _rewrite(connection: Connection, archive_id: int) -> None:
    """Make the journal's partitions anew, without what leaves."""
    entries = LEAVING.format(archive_id=archive_id)
    connection.execute(text(DELIVERIES.format(entries=entries)), {"archive_id": archive_id})
    partitions = partitions_of(connection, JOURNAL)
    for partition in partitions:
        make_successor(connection, JOURNAL, partition, STAYING.format(archive_id=archive_id))
    # Readers of the journal wait from here on, and not before.
    for partition in partitions:
        replace(connection, JOURNAL, partition)


def _finish(
    connection: Connection, archive_id: int, folder: Path, archived: list[ArchivedMonth]
) -> int:
    """Complete the archive's own row, and return how many entries of its months stayed."""
    connection.execute(
        update(ops.archives)
        .where(ops.archives.c.archive_id == archive_id)
        .values(directory=str(folder), entry_count=sum(month.entry_count for month in archived))
    )
    return connection.execute(
        select(func.count())
        .where(ops.kept_entries.c.archive_id == archive_id)
        .where(ops.kept_entries.c.is_in_archived_month)
    ).scalar_one()
