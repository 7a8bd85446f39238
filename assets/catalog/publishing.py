"""Publishing: an accepted state of the catalog's files becomes a version in the warehouse."""

from datetime import UTC, datetime

from sqlalchemy import Connection, func, insert, literal, select

from assets.catalog.refusing import refuse_unpublishable
from models.catalog import Catalog
from models.catalog_rows import catalog_rows
from models.tables import catalog as tables

LOCK = 7_001_002


def publish(connection: Connection, catalog: Catalog) -> bool:
    """Make a catalog the one that holds; return False where its version is stored already.

    Raises ``CatalogRefused`` where it contradicts what is finalised.
    """
    connection.execute(select(func.pg_advisory_xact_lock(literal(LOCK))))
    refuse_unpublishable(connection, catalog)
    now, is_new = datetime.now(UTC), not is_published(connection, catalog.version)
    if is_new:
        store(connection, catalog, now)
    accept(connection, catalog.version, now)
    return is_new


def store(connection: Connection, catalog: Catalog, now: datetime) -> None:
    """Store a catalog as the next version."""
    last = connection.execute(select(func.max(tables.versions.c.version_number))).scalar()
    connection.execute(
        insert(tables.versions),
        {
            "version_number": (last or 0) + 1,
            "catalog_version": catalog.version,
            "accepted_at": now,
            "content": catalog.content(),
        },
    )
    for table, rows in catalog_rows(catalog):
        if rows:
            connection.execute(insert(table), rows)


def accept(connection: Connection, version: str, now: datetime) -> None:
    """Note that a stored version holds from now on, unless it does already."""
    accepted = tables.acceptances.c
    last = connection.execute(
        select(accepted.acceptance_number, accepted.catalog_version)
        .order_by(accepted.acceptance_number.desc())
        .limit(1)
    ).one_or_none()
    if last is None or last.catalog_version != version:
        connection.execute(
            insert(tables.acceptances),
            {
                "acceptance_number": last.acceptance_number + 1 if last else 1,
                "catalog_version": version,
                "accepted_at": now,
            },
        )


def is_published(connection: Connection, version: str) -> bool:
    """Return whether a version is stored."""
    versions = tables.versions
    found = connection.execute(
        select(versions.c.catalog_version).where(versions.c.catalog_version == version)
    )
    return found.first() is not None
