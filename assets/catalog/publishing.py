"""Publishing: an accepted state of the catalog's files becomes a version in the warehouse."""

from datetime import UTC, datetime

from sqlalchemy import Connection, func, insert, literal, select

from assets.catalog.refusing import refuse_unpublishable
from models.catalog import Catalog
from models.catalog_rows import catalog_rows
from models.tables import catalog as tables

LOCK = 7_001_002


def publish(connection: Connection, catalog: Catalog) -> bool:
    """Store a catalog as the next version; return False where it is stored already.

    Raises ``CatalogRefused`` where it contradicts what is finalised.
    """
    connection.execute(select(func.pg_advisory_xact_lock(literal(LOCK))))
    refuse_unpublishable(connection, catalog)
    if is_published(connection, catalog.version):
        return False
    last = connection.execute(select(func.max(tables.versions.c.version_number))).scalar()
    connection.execute(
        insert(tables.versions),
        {
            "version_number": (last or 0) + 1,
            "catalog_version": catalog.version,
            "accepted_at": datetime.now(UTC),
            "content": catalog.content(),
        },
    )
    for table, rows in catalog_rows(catalog):
        if rows:
            connection.execute(insert(table), rows)
    return True


def is_published(connection: Connection, version: str) -> bool:
    """Return whether a version is stored."""
    versions = tables.versions
    found = connection.execute(
        select(versions.c.catalog_version).where(versions.c.catalog_version == version)
    )
    return found.first() is not None
