"""Which rows of a cursor's overlap have landed already, so that an idle pull adds nothing."""

from collections.abc import Callable, Mapping
from hashlib import md5
from typing import Any

from sqlalchemy import Text, cast, func, select, tuple_

from connectors.warehouse import Warehouse
from models.delivered import Rejection
from models.exact_json import storable, write_json
from models.tables import raw
from models.usage import UsageReader

Row = Mapping[str, Any]


def landed_rows(
    warehouse: Warehouse, reader: UsageReader, source: str, pages: list[tuple[str, str]]
) -> Callable[[Row], bool]:
    """Return whether a row is in one of the landed pages, as a record or in quarantine.

    A record counts as landed with its key and its content: one that has changed is news.
    """
    known = _known(warehouse, source, pages) if pages else set()

    def is_landed(row: Row) -> bool:
        record = reader.read(row)
        if isinstance(record, Rejection):
            text = storable(write_json(row)).encode()
            return md5(text, usedforsecurity=False).hexdigest() in known
        return record[:-1] in known

    return is_landed


def _known(warehouse: Warehouse, source: str, pages: list[tuple[str, str]]) -> set[Any]:
    deliveries = raw.deliveries.c
    ids = select(deliveries.delivery_id).where(
        deliveries.source == source, tuple_(deliveries.object, deliveries.version).in_(pages)
    )
    records, quarantine = raw.usage_records.c, raw.quarantine.c
    landed = select(
        func.replace(cast(records.record_key, Text), "-", ""),
        records.record_id,
        records.occurred_at,
        records.tenant_id,
        records.dimension_id,
        records.value,
        cast(records.metadata, Text),
        records.corrects,
    ).where(records.delivery_id.in_(ids))
    texts = select(func.md5(quarantine.record)).where(quarantine.delivery_id.in_(ids))
    with warehouse.begin() as connection:
        found = {tuple(row) for row in connection.execute(landed)}
        return {*found, *connection.execute(texts).scalars()}
