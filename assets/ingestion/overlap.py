"""Which rows of a cursor's overlap have landed already, so that an idle pull adds nothing."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy import Connection, select, text, tuple_

from assets.ingestion.chunks import Target
from assets.ingestion.staging import SAME_CONTENT, stage, unknown_rejects
from connectors.postgres_cursor import Recent
from connectors.postgres_rows import PostgresRows
from connectors.postgres_stream import Screened
from connectors.warehouse import Warehouse
from models.exact_json import storable
from models.tables import raw

# A record that has changed is news.
NEWS = f"""
    select staged_records.row_number
    from staged_records
    where not exists (
        select 1
        from raw.usage_records as landed
        where
            landed.delivery_id = any(:delivery_ids)
            and landed.landed_on >= :first_day
            and landed.record_key = staged_records.record_key
            and landed.record_id = staged_records.record_id
            and landed.corrects is not distinct from staged_records.corrects
            and {SAME_CONTENT.format(left="landed", right="staged_records")}
    )
"""  # noqa: S608 - made of our own words only


class Landed(NamedTuple):
    """Deliveries that have landed, and the first day on which one of them did."""

    delivery_ids: list[int]
    first_day: date


class OverlapScreen:
    """The screen of a source whose rows stay as they are: a row is news until it has landed."""

    def __init__(self, warehouse: Warehouse, target: Target, source: str) -> None:
        self._warehouse = warehouse
        self._target = target
        self._source = source

    def __call__(self, rows: PostgresRows, seen_count: int, recent: Sequence[Recent]) -> Screened:
        """Return what has not landed in one of these deliveries, as a record or in quarantine."""
        count = rows.table().num_rows
        if not seen_count or not recent:
            return Screened(range(count))
        with self._warehouse.begin() as connection:
            landed = landed_deliveries(connection, self._source, recent)
            rejected = stage(self._warehouse, connection, self._target, rows.first(seen_count))
            news = list(connection.execute(text(NEWS), landed._asdict()).scalars())
            news += unknown_rejects(connection, rejected, landed.delivery_ids)
        return Screened([*sorted(news), *range(seen_count, count)])


def landed_deliveries(connection: Connection, source: str, recent: Sequence[Recent]) -> Landed:
    """Return those deliveries of a source that have landed."""
    deliveries = raw.deliveries.c
    names = [(storable(entry.object), entry.version) for entry in recent]
    statement = select(deliveries.delivery_id, deliveries.landed_at).where(
        deliveries.source == source, tuple_(deliveries.object, deliveries.version).in_(names)
    )
    found = connection.execute(statement).all()
    days = [row.landed_at.date() for row in found]
    return Landed([row.delivery_id for row in found], min(days, default=date.min))
