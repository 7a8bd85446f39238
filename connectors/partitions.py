"""Partitions of tables by UTC day: made ahead of the rows, dropped when these are not needed."""

from datetime import date, timedelta

from sqlalchemy import Connection, Table, text

from connectors.database import relation_exists
from connectors.schema import guard
from connectors.warehouse import Warehouse

# So that a pull shortly before midnight leaves the next one nothing to wait for.
DAYS_AHEAD = 1


def partition_name(table: Table, day: date) -> str:
    """Return the name of a day's partition, with its schema."""
    return f"{table.fullname}_{day:%Y%m%d}"


def ensure_days(warehouse: Warehouse, table: Table, day: date) -> None:
    """Make the partitions of a day and the next one where they are missing.

    A partition is made beside its table and attached to it: that waits for no reader, and no
    reader waits for it.
    """
    days = [day + timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1)]
    with warehouse.begin() as connection:
        if all(relation_exists(connection, partition_name(table, needed)) for needed in days):
            return
        connection.execute(
            text("select pg_advisory_xact_lock(hashtext(:table))"), {"table": table.fullname}
        )
        for needed in days:
            if not relation_exists(connection, partition_name(table, needed)):
                _create(connection, table, needed)


def _create(connection: Connection, table: Table, day: date) -> None:
    name = partition_name(table, day)
    bounds = f"from ('{day}') to ('{day + timedelta(days=1)}')"
    connection.execute(text(f"create table {name} (like {table.fullname} including all)"))
    connection.execute(
        text(f"alter table {table.fullname} attach partition {name} for values {bounds}")
    )
    guard(connection, name)


def existing_days(connection: Connection, table: Table) -> list[date]:
    """Return the days that a table has partitions of, earliest first."""
    query = """
        select substring(relations.relname from '[0-9]{8}$')
        from pg_inherits
        inner join pg_class as relations on pg_inherits.inhrelid = relations.oid
        where pg_inherits.inhparent = cast(:table as regclass)
    """
    found: list[str] = list(connection.execute(text(query), {"table": table.fullname}).scalars())
    return sorted(map(date.fromisoformat, found))


def drop_day(connection: Connection, table: Table, day: date) -> None:
    """Drop a day's partition with all its rows; readers of the table are waited for."""
    connection.execute(text(f"drop table {partition_name(table, day)}"))
