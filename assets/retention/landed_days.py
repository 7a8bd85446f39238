"""Days of landing that are needed no more: dropped whole, once all they brought is journaled.

What stays of a dropped day: its deliveries with their counts, what could not be read, and the
records that the journal refused.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import Connection, Row, insert, text

from connectors.partitions import drop_day, existing_days, partition_name
from connectors.warehouse import Warehouse
from models.tables import ops, raw

LOCK_WAIT_SECONDS = 60

SOURCES = "select distinct source from raw.deliveries where kind = 'usage' order by source"
# A source that is read along a cursor compares what it finds in its overlap with the pages that
# landed last; without their rows it would land the overlap once more.
DAYS = """
    select
        (deliveries.landed_at at time zone 'UTC')::date as landed_on,
        count(*) as delivery_count,
        sum(deliveries.landed_count)::bigint as row_count,
        count(*) filter (where journaled.delivery_id is null) as unjournaled_count,
        count(*) filter (where recent.source is not null) as recent_count
    from raw.deliveries
    left join ops.journaled_deliveries as journaled
        on deliveries.delivery_id = journaled.delivery_id
    left join (
        select distinct states.source, pages.page ->> 0 as object, pages.page ->> 1 as version
        from ops.source_states as states
        cross join lateral jsonb_array_elements(
            case jsonb_typeof(states.cursor -> 'recent')
                when 'array' then states.cursor -> 'recent'
                else '[]'
            end
        ) as pages (page)
    ) as recent
        on
            deliveries.source = recent.source
            and deliveries.object = recent.object
            and deliveries.version = recent.version
    where deliveries.kind = 'usage'
    group by 1
"""
KEEP_REFUSED = """
    insert into raw.refused_records (
        delivery_id, row_number, record_key, occurred_at, value, tenant_id, dimension_id,
        record_id, metadata, corrects
    )
    select
        records.delivery_id, records.row_number, records.record_key, records.occurred_at,
        records.value, records.tenant_id, records.dimension_id, records.record_id,
        records.metadata, records.corrects
    from raw.usage_records as records
    inner join journal.jnl_conflicting_records as refused
        on
            records.delivery_id = refused.delivery_id
            and records.row_number = refused.row_number
    where records.landed_on = :day
"""


class LandingRefused(Exception):  # noqa: N818 - the user has to ask for something else.
    """What was asked for would drop records that are needed; the message says why."""


@dataclass(frozen=True, slots=True)
class DroppedDay:
    """A day of landing that was dropped, and how many of its rows the journal had refused."""

    day: date
    delivery_count: int
    row_count: int
    refused_count: int


@dataclass(frozen=True, slots=True)
class KeptDay:
    """A day of landing that was asked for and stays, and why."""

    day: date
    reason: str


@dataclass(frozen=True, slots=True)
class DropReport:
    """What became of the days of landing before a boundary."""

    dropped: tuple[DroppedDay, ...]
    kept: tuple[KeptDay, ...]


def drop_landed_days(warehouse: Warehouse, before: date, now: datetime) -> DropReport:
    """Drop the landed usage records of the UTC days before a boundary, in one transaction.

    A day stays where one of its deliveries is not journaled, or is still compared with what a
    source delivers. No source can be pulled meanwhile. Today's day is always refused.
    """
    if before > now.astimezone(UTC).date():
        raise LandingRefused(
            f"{before} is after today: sources still land on today's day, which has to stay"
        )
    with ExitStack() as held:
        for source in _sources(warehouse):
            held.enter_context(warehouse.locked(f"pull {source}", LOCK_WAIT_SECONDS))
        with warehouse.begin() as connection:
            return _drop(connection, before, now)


def _sources(warehouse: Warehouse) -> list[str]:
    with warehouse.begin() as connection:
        return list(connection.execute(text(SOURCES)).scalars())


def _drop(connection: Connection, before: date, now: datetime) -> DropReport:
    days = [day for day in existing_days(connection, raw.usage_records) if day < before]
    for day in days:
        # Whoever still lands on the day, as a pull from before midnight does, is waited for: his
        # deliveries are to be seen by what follows.
        partition = partition_name(raw.usage_records, day)
        connection.execute(text(f"lock table {partition} in access exclusive mode"))
    landed = {row.landed_on: row for row in connection.execute(text(DAYS))}
    dropped: list[DroppedDay] = []
    kept: list[KeptDay] = []
    for day in days:
        row = landed.get(day)
        reason = _needed(row)
        if reason is not None:
            kept.append(KeptDay(day, reason))
        else:
            dropped.append(_drop_day(connection, day, row, now))
    return DropReport(tuple(dropped), tuple(kept))


def _needed(row: Row | None) -> str | None:
    """Return why a day has to stay, or None."""
    if row is None:
        return None
    if row.unjournaled_count:
        return (
            f"{row.unjournaled_count} of its {row.delivery_count} deliveries are not journaled "
            "yet: `meterhouse run` does that"
        )
    if row.recent_count:
        return "a source still compares what it delivers with what landed then"
    return None


def _drop_day(connection: Connection, day: date, row: Row | None, now: datetime) -> DroppedDay:
    deliveries, rows, refused = 0, 0, 0
    if row is not None:
        deliveries, rows = row.delivery_count, row.row_count
        refused = connection.execute(text(KEEP_REFUSED), {"day": day}).rowcount
        connection.execute(
            insert(ops.dropped_days).values(
                landed_on=day,
                delivery_count=deliveries,
                row_count=rows,
                refused_count=refused,
                dropped_at=now,
            )
        )
    drop_day(connection, raw.usage_records, day)
    return DroppedDay(day, deliveries, rows, refused)
