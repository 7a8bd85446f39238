"""Rows that a table had when they landed and has no more, by the day of their usage."""

import io
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, text

from assets.ingestion.plans import postgres_table
from connectors import postgres
from connectors.database import relation_exists
from connectors.deliveries import SourceUnavailable
from connectors.warehouse import Warehouse
from models.settings import PostgresSource

COPY_KEYS = "copy pg_temp.source_keys (record_id) from stdin (encoding 'UTF8')"
# What a record has been corrected to counts: one that is cancelled is taken back already.
VANISHED = """
    with recursive

    missing as (
        select entries.record_key, entries.record_id, entries.occurred_at
        from journal.jnl_usage_entries as entries
        inner join raw.deliveries on entries.delivery_id = deliveries.delivery_id
        left join pg_temp.source_keys on entries.record_id = source_keys.record_id
        where
            deliveries.source = :source
            and not entries.is_reversal
            and (entries.corrects_key is null or not :corrects)
            and entries.occurred_at >= :since
            and source_keys.record_id is null
    ),

    versions as (
        select record_key as root_key, record_key as version_key
        from missing
        union
        select versions.root_key, corrections.record_key
        from versions
        inner join journal.jnl_usage_entries as corrections
            on versions.version_key = corrections.corrects_key
        where not corrections.is_reversal
    ),

    standing as (
        select versions.root_key
        from versions
        inner join journal.jnl_usage_entries as entries
            on versions.version_key = entries.record_key
        group by versions.root_key
        having sum(entries.sign) > 0
    )

    select
        (missing.occurred_at at time zone 'UTC')::date as usage_date,
        count(*) as row_count,
        (array_agg(missing.record_id order by missing.record_id))[1:5] as examples
    from missing
    inner join standing on missing.record_key = standing.root_key
    group by (missing.occurred_at at time zone 'UTC')::date
    order by usage_date
"""


@dataclass(frozen=True, slots=True)
class VanishedRows:
    """Journaled rows of one UTC day that are gone from their table: how many, and some ids."""

    source: str
    usage_date: date
    row_count: int
    examples: tuple[str, ...]


def vanished_rows(
    warehouse: Warehouse, source: PostgresSource, since: datetime
) -> list[VanishedRows]:
    """Return the days from an instant on whose rows have vanished; this reads all keys."""
    table = postgres_table(source)
    if not source.key or source.fields.get("id", source.key) != source.key:
        raise SourceUnavailable(
            source.name, "without a key its rows cannot be told apart", "Set key"
        )
    with warehouse.begin() as connection:
        if not relation_exists(connection, "journal.jnl_usage_entries"):
            return []
        _copy_keys(connection, table)
        asked = {"source": source.name, "corrects": table.corrects, "since": since}
        found = connection.execute(text(VANISHED), asked).all()
    return [
        VanishedRows(source.name, row.usage_date, row.row_count, tuple(row.examples))
        for row in found
    ]


def _copy_keys(connection: Connection, table: postgres.PostgresTable) -> None:
    """Copy the keys from one server to the other, as they are."""
    connection.execute(text("create temporary table source_keys (record_id text) on commit drop"))
    cursor: Any = connection.connection.cursor()
    with cursor:
        for keys in postgres.keys(table):
            cursor.copy_expert(COPY_KEYS, io.BytesIO(keys))
    connection.execute(text("analyze source_keys"))
