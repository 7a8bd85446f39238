"""Partitions made anew with a part of their rows, where rows themselves can never be deleted.

The new one is filled and indexed beside the old one, which can be read meanwhile; then it takes its
place, with the names of its indexes, its triggers and without the privileges to change rows. All
of it belongs to the caller's transaction: there are the old partitions, or the new ones.
"""

import re
from dataclasses import dataclass

from sqlalchemy import Connection, text

SUFFIX = "_rest"
PARTITIONS = """
    select relations.oid::regclass::text as name, pg_get_expr(relations.relpartbound, relations.oid)
        as bound
    from pg_inherits
    inner join pg_class as relations on pg_inherits.inhrelid = relations.oid
    where pg_inherits.inhparent = cast(:table as regclass)
    order by relations.oid
"""
INDEXES = """
    select relations.relname as name, relations.relnamespace::regnamespace::text as schema,
        pg_index.indisunique as is_unique, pg_get_indexdef(pg_index.indexrelid) as definition
    from pg_index
    inner join pg_class as relations on pg_index.indexrelid = relations.oid
    where pg_index.indrelid = cast(:partition as regclass)
    order by relations.relname
"""
# Those that the partition has of its own: the others come with its being attached.
TRIGGERS = """
    select pg_get_triggerdef(oid)
    from pg_trigger
    where tgrelid = cast(:partition as regclass) and not tgisinternal and tgparentid = 0
"""


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition: its name with its schema, and which rows belong into it."""

    name: str
    bound: str

    @property
    def successor(self) -> str:
        """The name of the partition that is made beside it."""
        return f"{self.name}{SUFFIX}"


def partitions_of(connection: Connection, table: str) -> list[Partition]:
    """Return the partitions of a table."""
    return [
        Partition(row.name, row.bound)
        for row in connection.execute(text(PARTITIONS), {"table": table})
    ]


def make_successor(connection: Connection, table: str, partition: Partition, staying: str) -> None:
    """Fill the table that is to replace a partition with those of its ``entries`` that stay."""
    name = partition.successor
    connection.execute(
        text(f"create table {name} (like {table} including defaults including constraints)")
    )
    # In the order in which they lie: BRIN indexes live on it.
    connection.execute(text("set local synchronize_seqscans = off"))
    connection.execute(
        text(
            f"insert into {name} select entries.* from {partition.name} as entries where {staying}"  # noqa: S608
        )
    )
    for index in connection.execute(text(INDEXES), {"partition": partition.name}).all():
        unique = "unique" if index.is_unique else ""
        method = re.search(r" USING .*", index.definition, re.DOTALL)
        assert method is not None, index.definition
        connection.execute(
            text(f'create {unique} index "{index.name}{SUFFIX}" on {name}{method[0]}')
        )
    connection.execute(text(f"analyze {name}"))


def replace(connection: Connection, table: str, partition: Partition) -> None:
    """Put a successor in the place of its partition, which is dropped."""
    name = partition.name
    indexes = connection.execute(text(INDEXES), {"partition": name}).all()
    triggers: list[str] = list(connection.execute(text(TRIGGERS), {"partition": name}).scalars())
    connection.execute(text(f"alter table {table} detach partition {name}"))
    connection.execute(text(f"drop table {name}"))
    connection.execute(
        text(f"alter table {partition.successor} rename to {name.rpartition('.')[2]}")
    )
    for index in indexes:
        connection.execute(
            text(f'alter index {index.schema}."{index.name}{SUFFIX}" rename to "{index.name}"')
        )
    connection.execute(text(f"revoke update, delete, truncate on {name} from current_user"))
    connection.execute(text(f"alter table {table} attach partition {name} {partition.bound}"))
    for trigger in triggers:
        connection.execute(text(trigger))
