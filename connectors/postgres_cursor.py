"""How far a table has been read along its cursor, and from where the next pull reads again.

A row can become visible after rows with a higher cursor: its transaction drew the value early and
committed late. Which transactions may still bring such rows is known from the snapshot of each
pull, and from the beginnings of transactions as far as the server shows them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

# Sequence numbers are drawn before the row is written: how far a session may draw ahead.
INTEGER_OVERLAP = 10_000
# Where clocks are put back, a local time comes twice.
CLOCK_CHANGE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class CursorKind:
    """How values of a cursor's type are compared, in SQL.

    ``instant`` turns an instant into the type, of which a number has none; ``before`` goes back by
    the overlap, and ``bottom`` lies below every value.
    """

    sql_type: str
    instant: str | None
    before: str
    is_readable: str = "true"
    bottom: str = "-infinity"

    def lowest(self, value: str) -> str:
        """Return where a pull begins that must not miss anything from this value on."""
        return self.before.format(value=f"{value}::{self.sql_type}")


_BEFORE = "({value} - %(overlap)s)"
_LOCAL = "({instant} at time zone %(timezone)s)"
# What is no number cannot be ordered among others, and nothing comes after the infinite.
_FINITE = "{column}::text not in ('NaN', 'Infinity', '-Infinity')"
# Servers before PostgreSQL 14 have no infinite numbers.
_BELOW_NUMBERS = "-1e100"
KINDS = {
    1184: CursorKind("timestamptz", "{instant}", _BEFORE),
    1114: CursorKind("timestamp", _LOCAL, _BEFORE),
    1082: CursorKind("date", f"{_LOCAL}::date", "({value}::timestamp - %(overlap)s)::date"),
    1700: CursorKind("numeric", None, _BEFORE, _FINITE, _BELOW_NUMBERS),
    **dict.fromkeys((20, 21, 23), CursorKind("numeric", None, _BEFORE, bottom=_BELOW_NUMBERS)),
}


def overlap_of(kind: CursorKind, overlap: timedelta, timezone: str) -> timedelta | int:
    """Return how far back a pull reads again in any case."""
    if kind.instant is None:
        return INTEGER_OVERLAP
    if kind.sql_type == "timestamp" and timezone != "UTC":
        return overlap + CLOCK_CHANGE
    return overlap


class Snapshot(NamedTuple):
    """What a pull sees.

    Transactions below ``oldest_xid`` are over, those from ``next_xid`` on begin later; ``now`` is
    the server's time.
    """

    oldest_xid: int
    next_xid: int
    now: str


class Recent(NamedTuple):
    """A delivery that the next pull's overlap may touch; ``last`` is its highest cursor."""

    object: str
    version: str
    last: str


@dataclass(frozen=True, slots=True)
class CursorState:
    """Where the next pull resumes.

    Whatever has not landed has a cursor of at least ``resume``; no landed row has one above
    ``seen``; ``high`` is the highest one that the server's clock had reached.
    """

    resume: str
    high: str
    seen: str
    next_xid: int
    recent: tuple[Recent, ...] = ()

    @classmethod
    def read(cls, stored: Mapping[str, Any] | None) -> "CursorState | None":
        """Return the state from a source's stored cursor."""
        if not stored:
            return None
        recent = tuple(Recent(*entry) for entry in stored["recent"])
        return cls(stored["resume"], stored["high"], stored["seen"], stored["next_xid"], recent)

    def stored(self) -> dict[str, Any]:
        """Return the state as it is stored."""
        return {
            "resume": self.resume,
            "high": self.high,
            "seen": self.seen,
            "next_xid": self.next_xid,
            "recent": [list(entry) for entry in self.recent],
        }


def highest_statement(kind: CursorKind) -> str:
    """Return the query for a cursor that no transaction to come draws one below."""
    if kind.instant is not None:
        return f"select ({kind.instant.format(instant='clock_timestamp()')})::text"
    return (
        "select max({column})::text from {relation} as source_rows"  # noqa: S608
        f" where {{column}} is not null and {kind.is_readable}"
    )


def held_back(state: CursorState, snapshot: Snapshot) -> str | None:
    """Return the cursor from which transactions that are still running may bring rows.

    One that ran at the last pull already may have drawn its cursor long before; one that began to
    write after that pull has a higher one than all that it saw. None: nothing is being written.
    """
    if snapshot.oldest_xid == snapshot.next_xid:
        return None
    return state.high if snapshot.oldest_xid >= state.next_xid else state.resume


def advance_statement(kind: CursorKind) -> str:
    """Return the query for ``resume``, ``high``, ``seen`` and the deliveries to remember.

    The server compares, because only it knows the order of all its values: infinity, years BC.
    """
    now = start = f"null::{kind.sql_type}"
    if kind.instant is not None:
        now = kind.instant.format(instant="%(now)s::timestamptz")
        start = kind.instant.format(instant="%(oldest_start)s::timestamptz")
    cast = f"::{kind.sql_type}"
    # A cursor in the future (a wrong clock) must not carry the state past rows still to come.
    return f"""
        with landed as (
            select
                least(%(last)s{cast}, {now}) as reached,
                greatest(%(high)s{cast}, least(%(last)s{cast}, {now})) as high,
                greatest(%(seen)s{cast}, %(last)s{cast}) as seen
        ),
        bounds as (
            select
                least(
                    case when %(is_complete)s then high else reached end,
                    %(held_back)s{cast},
                    {start}
                ) as resume,
                high,
                seen
            from landed
        )
        select
            resume::text,
            high::text,
            seen::text,
            array(
                select place
                from unnest(%(lasts)s::text[]) with ordinality as recent (last, place)
                where last{cast} >= {kind.lowest("resume")}
                order by place
            )
        from bounds
    """  # noqa: S608 - made of our own words only
