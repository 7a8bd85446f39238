"""Rows as they would land, in a temporary table: to be compared with what has landed."""

from collections.abc import Sequence
from hashlib import md5

from sqlalchemy import Connection, MetaData, func, select, text

from assets.ingestion.chunks import Target, chunks
from connectors.copying import copy_binary
from connectors.deliveries import Block, NativeRows
from connectors.warehouse import Warehouse
from models.tables import raw

STAGED = raw.usage_records.to_metadata(MetaData(), schema="pg_temp", name="staged_records")
# Condition of SQL: two records say the same. Metadata are compared as values, not as texts.
SAME_CONTENT = """(
    {left}.occurred_at = {right}.occurred_at
    and {left}.tenant_id = {right}.tenant_id
    and {left}.dimension_id = {right}.dimension_id
    and {left}.value = {right}.value
    and {left}.metadata::jsonb is not distinct from {right}.metadata::jsonb
)"""

# The number and the text of a row that cannot be read.
Rejected = tuple[int, str]


def stage(
    warehouse: Warehouse, connection: Connection, target: Target, native: NativeRows
) -> list[Rejected]:
    """Fill ``staged_records`` for this transaction; return the rows that cannot be read."""
    connection.execute(
        text("create temporary table staged_records (like raw.usage_records) on commit drop")
    )
    rejected: list[Rejected] = []
    for chunk in chunks(target, 0, iter([Block(native=native)])):
        for rows in chunk.plain:
            copy_binary(connection, STAGED.fullname, target.columns, rows)
        warehouse.copy_rows(connection, STAGED, target.columns, chunk.landed)
        rejected += [(row[1], row[4]) for row in chunk.quarantined]
    connection.execute(text("analyze staged_records"))
    return rejected


def unknown_rejects(
    connection: Connection, rejected: Sequence[Rejected], delivery_ids: Sequence[int]
) -> list[int]:
    """Return the numbers of those rows whose texts these deliveries have not in quarantine."""
    if not rejected:
        return []
    digests = {number: md5(row.encode(), usedforsecurity=False) for number, row in rejected}
    quarantine = raw.quarantine.c
    digest = func.md5(quarantine.record)
    statement = select(digest).where(
        quarantine.delivery_id.in_(delivery_ids),
        digest.in_([found.hexdigest() for found in digests.values()]),
    )
    known: set[str] = set(connection.execute(statement).scalars())
    return [number for number, found in digests.items() if found.hexdigest() not in known]
