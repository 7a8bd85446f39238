"""Rows of a product's own Postgres database, read in pages along a cursor column.

Rows may be committed later than their cursor says, so every pull begins some way before the last
one's end; rows of that overlap which have landed already are left out.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

import psycopg2
from psycopg2 import extensions, sql
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from connectors.deliveries import DeliveredRow, Delivery, SourceUnavailable
from models.exact_json import write_json

PAGE_ROWS = 20_000
FETCH_ROWS = 5_000
# Sequence numbers are drawn before the commit: how far back a later commit may lie.
INTEGER_OVERLAP = 10_000
# A SQL statement of a pull that runs longer than this burdens a production database.
STATEMENT_TIMEOUT = "15min"

Row = Mapping[str, Any]

# Times and floats come as the text that the server writes: exact, `infinity` and years of five
# digits included. JSON stays text too: psycopg2 would make its numbers floats.
_TEXT_TYPES = (114, 700, 701, 1082, 1083, 1114, 1184, 1186, 1266, 3802)
_AS_TEXT = extensions.new_type(_TEXT_TYPES, "MeterhouseText", lambda text, _: text)


@dataclass(frozen=True, slots=True)
class CursorKind:
    """How a cursor column of some type is compared."""

    sql_type: str
    position: str
    now: str | None

    def lowest(self) -> str:
        """Return where a pull begins: the overlap before the highest cursor so far."""
        return f"%(high)s::{self.sql_type} - %(overlap)s"


_EPOCH = "extract(epoch from {column})"
CURSOR_KINDS = {
    1184: CursorKind("timestamptz", _EPOCH, "now()"),
    1114: CursorKind("timestamp", _EPOCH, "(now() at time zone %(timezone)s)"),
    1082: CursorKind("date", _EPOCH, "(now() at time zone %(timezone)s)::date"),
    **dict.fromkeys((20, 21, 23, 1700), CursorKind("numeric", "{column}", None)),
}


@dataclass(frozen=True, slots=True)
class PostgresTable:
    """A table or query of a database, and how its pulls resume; exactly one of both is given."""

    source: str
    url: str = field(repr=False)
    table: str | None = None
    query: str | None = None
    cursor: str | None = None
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
        return sql.Identifier("source_rows", self.cursor or "")


@dataclass(frozen=True, slots=True)
class PageState:
    """Where the next pull resumes: the highest cursor, and the pages that its overlap touches."""

    high: str
    position: Decimal
    recent: tuple[tuple[str, str, str], ...] = ()

    @classmethod
    def read(cls, stored: Mapping[str, Any] | None) -> "PageState | None":
        """Return the state from a source's stored cursor."""
        if not stored:
            return None
        recent = tuple((page[0], page[1], page[2]) for page in stored["recent"])
        return cls(stored["high"], Decimal(stored["position"]), recent)

    def stored(self) -> dict[str, Any]:
        """Return the state as it is stored."""
        return {
            "high": self.high,
            "position": str(self.position),
            "recent": [list(page) for page in self.recent],
        }

    def highest_seen(self) -> Decimal:
        """Return the highest cursor of any landed row, those in the future included."""
        return max(self.position, *(Decimal(position) for _, _, position in self.recent))

    def pages(self) -> list[tuple[str, str]]:
        """Return object and version of the landed pages that the overlap touches."""
        return [(object_name, version) for object_name, version, _ in self.recent]


def deliveries(
    table: PostgresTable, stored: Mapping[str, Any] | None, is_landed: Callable[[Row], bool]
) -> Iterator[Delivery]:
    """Yield what is new since the stored cursor, page by page, from one snapshot.

    ``is_landed`` says whether a row of the overlap has landed already. Rows whose cursor is null
    can not be told from new ones: they fail the pull after all others have come.
    """
    with _reading(table) as connection:
        if table.cursor is None:
            yield _everything(table, connection)
            return
        kind = _cursor_kind(table, connection)
        yield from _pages(table, connection, kind, PageState.read(stored), is_landed)
        _refuse_null_cursors(table, connection)


def check(table: PostgresTable) -> None:
    """Connect and read one row, or raise ``SourceUnavailable``."""
    with _reading(table) as connection:
        if table.cursor is not None:
            _cursor_kind(table, connection)
        with connection.cursor() as cursor:
            _execute(cursor, table, "select * from {relation} as source_rows limit 1")


@contextmanager
def _reading(table: PostgresTable) -> Iterator[Any]:
    """Yield a connection in a read-only snapshot."""
    try:
        with closing(_connect(table)) as connection:
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            extensions.register_type(_AS_TEXT, connection)
            with connection.cursor() as cursor:
                cursor.execute("set datestyle to 'ISO'; set timezone to 'UTC'")
                cursor.execute(
                    "select set_config('statement_timeout', %s, false)", [STATEMENT_TIMEOUT]
                )
            yield connection
    except (psycopg2.Error, UnicodeDecodeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise SourceUnavailable(
            table.source, reason, "Check url, table or query, cursor, and the right to read"
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
    return psycopg2.connect(
        host=url.host,
        port=url.port,
        user=url.username,
        password=url.password,
        dbname=url.database,
        connect_timeout=10,
        application_name="meterhouse",
        **options,
    )


def _execute(
    cursor: Any, table: PostgresTable, statement: str, **arguments: str | timedelta | int | None
) -> None:
    """Run a statement in which ``{relation}`` and ``{column}`` are those of the source."""
    composed = sql.SQL(statement).format(relation=table.relation(), column=table.column())
    cursor.execute(composed, {"timezone": table.timezone, **arguments})


def _cursor_kind(table: PostgresTable, connection: Any) -> CursorKind:
    with connection.cursor() as cursor:
        _execute(cursor, table, "select {column} from {relation} as source_rows limit 0")
        kind = CURSOR_KINDS.get(cursor.description[0].type_code)
    if kind is None:
        raise SourceUnavailable(
            table.source,
            f"its cursor {table.cursor} is neither a time nor a number",
            "Choose a column that only grows, such as updated_at or a sequence",
        )
    return kind


def _overlap(table: PostgresTable, kind: CursorKind) -> timedelta | int:
    if kind.sql_type == "numeric":
        return INTEGER_OVERLAP
    return table.overlap


def _pages(
    table: PostgresTable,
    connection: Any,
    kind: CursorKind,
    state: PageState | None,
    is_landed: Callable[[Row], bool],
) -> Iterator[Delivery]:
    rows = _new_rows(table, connection, kind, state, is_landed)
    while page := list(islice(rows, PAGE_ROWS)):
        object_name = f"rows {page[0].cursor} to {page[-1].cursor}"
        version = _version(page_row.row for page_row in page)
        entry = (object_name, version, str(page[-1].position))
        state = _advanced(table, kind, state, page[-1], entry)
        yield Delivery(object_name, version, _numbered(page), state.stored())


@dataclass(frozen=True, slots=True)
class _PageRow:
    """A row with its cursor: as text, as a position, and no later than the server's clock."""

    row: dict[str, Any]
    cursor: str
    position: Decimal
    high: str
    high_position: Decimal


def _new_rows(
    table: PostgresTable,
    connection: Any,
    kind: CursorKind,
    state: PageState | None,
    is_landed: Callable[[Row], bool],
) -> Iterator[_PageRow]:
    high = f"least({{column}}, {kind.now})" if kind.now else "{column}"
    bound = f"{{column}} >= {kind.lowest()}" if state else "{column} is not null"
    statement = (
        # Made of our own words only; the user's names are quoted by `sql`.
        f"select source_rows.*, {{column}}::text, ({kind.position})::text, ({high})::text,"  # noqa: S608
        f" ({kind.position.replace('{column}', high)})::text"
        f" from {{relation}} as source_rows where {bound} order by {{column}}"
    )
    high_so_far = state.high if state else None
    seen = state.highest_seen() if state else None
    for values, names in _fetched(
        connection, table, statement, high=high_so_far, overlap=_overlap(table, kind)
    ):
        row = dict(zip(names[:-4], values[:-4], strict=True))
        text, position, high_text, high_position = values[-4:]
        found = _PageRow(row, text, Decimal(position), high_text, Decimal(high_position))
        if seen is None or found.position > seen or not is_landed(row):
            yield found


def _fetched(
    connection: Any,
    table: PostgresTable,
    statement: str,
    **arguments: str | timedelta | int | None,
) -> Iterator[tuple[tuple[Any, ...], list[str]]]:
    with connection.cursor(name="meterhouse_pull") as cursor:
        cursor.itersize = FETCH_ROWS
        _execute(cursor, table, statement, **arguments)
        names: list[str] = []
        for values in cursor:
            names = names or [column.name for column in cursor.description]
            yield values, names


def _advanced(
    table: PostgresTable,
    kind: CursorKind,
    state: PageState | None,
    last: _PageRow,
    entry: tuple[str, str, str],
) -> PageState:
    """Return the state after a page.

    A cursor in the future (a wrong clock) must not carry the state past rows still to come, so
    the highest is at most the server's own time.
    """
    high, position = last.high, last.high_position
    if state is not None and state.position > position:
        high, position = state.high, state.position
    overlap = _overlap(table, kind)
    width = overlap if isinstance(overlap, int) else Decimal(str(overlap.total_seconds()))
    # A date reaches back to the start of its day, hence the extra day for it.
    slack = 86_400 if kind.sql_type == "date" else 0
    recent = [*(state.recent if state else ()), entry]
    kept = tuple(page for page in recent if Decimal(page[2]) >= position - width - slack)
    return PageState(high, position, kept)


def _numbered(page: list[_PageRow]) -> Callable[[], Iterator[DeliveredRow]]:
    def rows() -> Iterator[DeliveredRow]:
        for row_number, page_row in enumerate(page, start=1):
            yield row_number, page_row.row

    return rows


def _everything(table: PostgresTable, connection: Any) -> Delivery:
    """Return the whole relation as one delivery; unchanged, it has its version already."""

    def rows() -> Iterator[DeliveredRow]:
        fetched = _fetched(connection, table, "select * from {relation} as source_rows")
        for row_number, (values, names) in enumerate(fetched, start=1):
            yield row_number, dict(zip(names, values, strict=True))

    version = _version(row for _, row in rows() if isinstance(row, dict))
    return Delivery("all rows", version, rows)


def _version(rows: Iterator[Row]) -> str:
    """Return a hash of rows in any order: without a cursor the server owes us none."""
    total = 0
    for row in rows:
        digest = hashlib.sha256(write_json(row).encode("utf-8", "backslashreplace")).digest()
        total = (total + int.from_bytes(digest)) % 2**256
    return f"{total:064x}"


def _refuse_null_cursors(table: PostgresTable, connection: Any) -> None:
    with connection.cursor() as cursor:
        _execute(
            cursor,
            table,
            "select exists (select 1 from {relation} as source_rows where {column} is null)",
        )
        if cursor.fetchone()[0]:
            raise SourceUnavailable(
                table.source,
                f"it has rows whose {table.cursor} is null, which are not read",
                "Fill the column, declare it not null, or choose another cursor",
            )
