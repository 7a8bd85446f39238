"""Rows of a product's own Postgres database, streamed along a cursor column.

Rows may be committed later than their cursor says, so every pull begins some way before the last
one's end; rows of that overlap which have landed already are left out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic, sleep
from typing import Any

import psycopg2
from psycopg2 import sql
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from connectors.deliveries import Block, DeliveredRow, Delivery, SourceUnavailable
from connectors.postgres_cursor import (
    KINDS,
    CursorKind,
    CursorState,
    Recent,
    Snapshot,
    advance_statement,
    held_back,
    highest_statement,
    overlap_of,
)
from connectors.postgres_rows import PostgresRows, RowFormat, RowTooLarge, copied_out
from connectors.postgres_stream import BlockStream, Screened, Screening

# A query of ours that runs longer than this burdens a production database.
STATEMENT_TIMEOUT = "15min"
# Rows stream as fast as they land; a snapshot held longer keeps the source's vacuum waiting.
COPY_TIMEOUT = "6h"
# How long the first pull waits for what is being written when it begins.
FIRST_WAIT_SECONDS = 30

SNAPSHOT = """
    select txid_snapshot_xmin(txid_current_snapshot()), transaction_timestamp()::text
"""
# A snapshot ends with the last transaction that is over. Those that began to write after it hold
# the lock on their own number, of which this shows the lower 32 bits.
XIDS_HELD = """
    select transactionid::text::bigint
    from pg_locks
    where locktype = 'transactionid' and mode = 'ExclusiveLock'
"""
XID_AFTER_THE_LAST = "select txid_snapshot_xmax(txid_current_snapshot())"
# Of other users' sessions this shows nothing, unless we may read all statistics.
OLDEST_START = """
    select least(clock_timestamp(), min(xact_start))::text
    from pg_stat_activity
    where
        datname = current_database()
        and pid <> pg_backend_pid()
        and backend_type <> 'autovacuum worker'
"""
FLAGGED_ROWS = "select source_rows.*, {is_seen} from {{relation}} as source_rows {rest}"
UNIQUE_KEY = """
    select exists (
        select 1
        from pg_index
        inner join pg_attribute
            on pg_index.indrelid = pg_attribute.attrelid
            and pg_index.indkey[0] = pg_attribute.attnum
        where
            pg_index.indrelid = %(table)s::regclass
            and pg_attribute.attname = %(key)s
            and pg_index.indnkeyatts = 1
            and pg_index.indisunique
            and pg_index.indisvalid
            and pg_index.indpred is null
    )
"""


# Of some rows, of which so many may have landed in these deliveries, those that are news.
Screen = Callable[[PostgresRows, int, Sequence[Recent]], Screened]


@dataclass(frozen=True, slots=True)
class PostgresTable:
    """A table or query of a database, and how its pulls resume; exactly one of both is given.

    ``corrects`` needs a table in which ``key`` is unique.
    """

    source: str
    url: str = field(repr=False)
    cursor: str
    table: str | None = None
    query: str | None = None
    key: str | None = None
    corrects: bool = False
    overlap: timedelta = timedelta(minutes=10)
    timezone: str = "UTC"

    def relation(self) -> sql.Composable:
        """Return what to select from."""
        if self.table is not None:
            return sql.Identifier(*self.table.split("."))
        query = (self.query or "").strip().rstrip(";")
        # A per cent sign would be taken for a parameter; a line end closes a trailing comment.
        return sql.SQL("({}\n)").format(sql.SQL(query.replace("%", "%%")))

    def column(self) -> sql.Composable:
        """Return the cursor column."""
        return sql.Identifier("source_rows", self.cursor)


def deliveries(
    table: PostgresTable, stored: Mapping[str, Any] | None, screen: Screen
) -> Iterator[Delivery]:
    """Yield what is new since the stored cursor, from one snapshot.

    Each delivery can be read once, and before the next one; its cursor is complete when it has
    been read. Rows whose cursor is null can not be told from new ones: they fail the pull after
    all others have come.
    """
    state = CursorState.read(stored)
    with translated(table), closing(_connect(table)) as asking:
        asking.set_session(readonly=True, autocommit=True)
        pull = _Pull(table, asking, state)
        if table.corrects:
            pull.require_a_unique_key()
        with closing(_connect(table)) as reading:
            pull.begin(reading)
            yield from pull.deliveries(reading, screen)
            pull.refuse_null_cursors(reading)


def check(table: PostgresTable) -> None:
    """Connect and read one row, or raise ``SourceUnavailable``."""
    with translated(table), closing(_connect(table)) as connection:
        connection.set_session(readonly=True)
        pull = _Pull(table, connection, None)
        pull.ask("select * from {relation} as source_rows limit 1")


def keys(table: PostgresTable) -> Iterator[bytes]:
    """Yield the keys of all rows as ``COPY`` gives them, some whole rows at a time."""
    statement = sql.SQL("copy (select {}::text from {} as source_rows) to stdout")
    with translated(table), closing(_connect(table)) as connection:
        connection.set_session(readonly=True)
        composed = statement.format(sql.Identifier(table.key or ""), table.relation())
        with connection.cursor() as cursor:
            cursor.execute(f"set local statement_timeout to '{COPY_TIMEOUT}'")
            text = cursor.mogrify(composed, {}).decode()
        yield from copied_out(connection, text)


@contextmanager
def translated(table: PostgresTable) -> Iterator[None]:
    """Turn what the database says into ``SourceUnavailable``."""
    try:
        yield
    except (psycopg2.Error, UnicodeDecodeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise SourceUnavailable(
            table.source, reason, "Check url, table or query, cursor, and the right to read"
        ) from error
    except RowTooLarge as error:
        raise SourceUnavailable(
            table.source,
            "one of its rows is larger than 256 MiB",
            "Give a query that leaves the large column out",
        ) from error


def _connect(table: PostgresTable) -> Any:
    try:
        url = make_url(table.url)
    except (ArgumentError, ValueError):
        # The message of this error would repeat the address, and its password with it.
        raise SourceUnavailable(
            table.source,
            "its url is no database address",
            "Write postgresql://user:password@host/database",
        ) from None
    options: dict[str, Any] = dict(url.query)
    connection = psycopg2.connect(
        host=url.host,
        port=url.port,
        user=url.username,
        password=url.password,
        dbname=url.database,
        connect_timeout=10,
        application_name="meterhouse",
        **options,
    )
    connection.set_client_encoding("UTF8")
    with connection.cursor() as cursor:
        cursor.execute("set datestyle to 'ISO'; set timezone to 'UTC'")
        cursor.execute(f"set statement_timeout to '{STATEMENT_TIMEOUT}'")
    connection.commit()
    return connection


class _Pull:
    """One pull of a table: what its cursor is, what its snapshot sees, where it begins."""

    def __init__(self, table: PostgresTable, asking: Any, state: CursorState | None) -> None:
        self._table = table
        self._asking = asking
        self._begun_with = state
        self._state = state
        self._kind = self._cursor_kind()
        # Before the snapshot: whatever begins in between has a later start than this moment.
        [[self._oldest_start]] = self.ask(OLDEST_START)

    def begin(self, reading: Any) -> None:
        """Take the snapshot that all rows of the pull come from."""
        reading.set_session(isolation_level="REPEATABLE READ", readonly=True)
        self._last_seen = self._begun_with or self._seen_before_the_first(reading)
        with reading.cursor() as cursor:
            cursor.execute(SNAPSHOT)
            oldest_xid, now = cursor.fetchone()
            self._snapshot = Snapshot(oldest_xid, self._next_xid(), now)
            cursor.execute(f"set local statement_timeout to '{COPY_TIMEOUT}'")

    def _next_xid(self) -> int:
        """Return a number above those of all transactions that have begun to write.

        Asked in this order none is overlooked: it holds its lock still, or it is over by now.
        """
        held = [xid for (xid,) in self.ask(XIDS_HELD)]
        [[after]] = self.ask(XID_AFTER_THE_LAST)
        ahead = [(xid - after) % 2**32 for xid in held]
        return int(after) + max((steps + 1 for steps in ahead if steps < 2**31), default=0)

    def _seen_before_the_first(self, reading: Any) -> CursorState:
        """Return what a pull would have seen a moment ago: what is being written since then.

        What was being written at that moment is waited for. If it takes too long, nobody knows
        what cursors it has drawn, and the next pull reads all rows once more.
        """
        with reading.cursor() as cursor:
            cursor.execute(f"set local statement_timeout to '{COPY_TIMEOUT}'")
        [[highest]] = self._run(reading, highest_statement(self._kind))
        reading.rollback()
        next_xid = self._next_xid()
        deadline = monotonic() + FIRST_WAIT_SECONDS
        while self.ask(SNAPSHOT)[0][0] < next_xid and monotonic() < deadline:
            sleep(0.1)
        bottom = self._kind.bottom
        return CursorState(bottom, highest or bottom, highest or bottom, next_xid)

    def deliveries(self, reading: Any, screen: Screen) -> Iterator[Delivery]:
        """Yield the deliveries of the pull."""
        stream = BlockStream(
            copied_out(reading, self._statement(reading)),
            RowFormat(self._described(FLAGGED_ROWS.format(is_seen="false", rest="limit 0"))),
            self._table.cursor,
            self._screening(screen),
        )
        with closing(stream):
            while (first := stream.next_cursor()) is not None:
                taken = stream.taken_count
                yield self._delivery(stream, f"rows from {first}")
                if stream.taken_count == taken:
                    raise AssertionError("a delivery is to be read before the next one")

    def refuse_null_cursors(self, reading: Any) -> None:
        """Raise ``SourceUnavailable`` if there are rows that no cursor can find."""
        unreadable = f"{{column}} is null or not ({self._kind.is_readable})"
        statement = (
            "select exists (select 1 from {relation} as source_rows"  # noqa: S608
            f" where {unreadable})"
        )
        [[exists]] = self._run(reading, statement)
        if exists:
            raise SourceUnavailable(
                self._table.source,
                f"it has rows whose {self._table.cursor} is null, which are not read",
                "Fill the column, declare it not null, or choose another cursor",
            )

    def require_a_unique_key(self) -> None:
        """Raise ``SourceUnavailable`` unless the key tells one row of the table from another."""
        table, key = self._table, self._table.key
        name = table.relation().as_string(self._asking)
        [[is_unique]] = self.ask(UNIQUE_KEY, table=name, key=key)
        if not is_unique:
            raise SourceUnavailable(
                table.source,
                f"on_change: correct needs a unique index on {key} alone",
                "Create one, choose another key, or leave on_change out",
            )

    def ask(self, statement: str, **arguments: Any) -> list[Any]:
        """Return the rows of a query outside of the snapshot."""
        return self._run(self._asking, statement, **arguments)

    def _run(self, connection: Any, statement: str, **arguments: Any) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(self._composed(statement), self._arguments(arguments))
            return list(cursor.fetchall())

    def _described(self, statement: str) -> Any:
        with self._asking.cursor() as cursor:
            cursor.execute(self._composed(statement), self._arguments({}))
            return cursor.description

    def _composed(self, statement: str) -> sql.Composable:
        """Return a statement in which ``{relation}`` and ``{column}`` are those of the source."""
        table = self._table
        return sql.SQL(statement).format(relation=table.relation(), column=table.column())

    def _arguments(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        overlap = overlap_of(self._kind, self._table.overlap, self._table.timezone)
        return {"timezone": self._table.timezone, "overlap": overlap, **arguments}

    def _cursor_kind(self) -> CursorKind:
        table = self._table
        statement = self._composed("select {column} from {relation} as source_rows limit 0")
        with self._asking.cursor() as cursor:
            # With arguments, so that doubled per cent signs are undone.
            cursor.execute(statement, {})
            kind = KINDS.get(cursor.description[0].type_code)
        if kind is None:
            raise SourceUnavailable(
                table.source,
                f"its cursor {table.cursor} is neither a time nor a number",
                "Choose a column that only grows, such as updated_at or a sequence",
            )
        return kind

    def _delivery(self, stream: BlockStream, object_name: str) -> Delivery:
        version = f"read at {self._snapshot.now}"
        cursor: dict[str, Any] = {}

        def blocks() -> Iterator[Block]:
            with translated(self._table):
                last = yield from stream.delivery()
                entry = Recent(object_name, version, last)
                self._state = self._advanced(entry, is_complete=stream.next_cursor() is None)
                cursor.update(self._state.stored())

        def rows() -> Iterator[DeliveredRow]:
            for block in blocks():
                yield from block.left()

        return Delivery(object_name, version, rows, cursor, blocks)

    def _screening(self, screen: Screen) -> Screening:
        def screened(native: PostgresRows, seen_count: int) -> Screened:
            recent = self._begun_with.recent if self._begun_with else ()
            return screen(native, seen_count, recent)

        return screened

    def _statement(self, reading: Any) -> str:
        """Return the statement that copies out what may be new, in the cursor's order."""
        kind, state = self._kind, self._state
        bound, is_seen = "{column} is not null", "false"
        if state is not None:
            bound = f"{{column}} >= {kind.lowest('%(resume)s')}"
            is_seen = f"{{column}} <= %(seen)s::{kind.sql_type}"
        rest = f"where {bound} and {kind.is_readable} order by {{column}}"
        rows = FLAGGED_ROWS.format(is_seen=is_seen, rest=rest)
        arguments = {"resume": state.resume, "seen": state.seen} if state else {}
        with reading.cursor() as cursor:
            composed = self._composed(f"copy ({rows}) to stdout")
            return str(cursor.mogrify(composed, self._arguments(arguments)).decode())

    def _advanced(self, entry: Recent, *, is_complete: bool) -> CursorState:
        """Return the state after a delivery; ``is_complete`` after the last one of the pull."""
        state, snapshot = self._state, self._snapshot
        recent = (*(state.recent if state else ()), entry)
        [[resume, high, seen, places]] = self.ask(
            advance_statement(self._kind),
            last=entry.last,
            now=snapshot.now,
            oldest_start=self._oldest_start,
            high=state.high if state else None,
            seen=state.seen if state else None,
            is_complete=is_complete,
            held_back=held_back(self._last_seen, snapshot),
            lasts=[before.last for before in recent],
        )
        kept = tuple(recent[place - 1] for place in places)
        return CursorState(resume, high, seen, snapshot.next_xid, kept)
