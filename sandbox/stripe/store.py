"""What the sandbox remembers: one SQLite file, or memory only.

Each request is one transaction, so that a killed server comes back with whole objects and with the
idempotency keys of exactly those requests that took effect.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLES = """
create table if not exists objects (
    sequence integer primary key,
    id text not null unique,
    kind text not null,
    parent text,
    created integer not null,
    body text not null
);
create index if not exists objects_by_parent on objects (kind, parent);
create table if not exists answers (
    idempotency_key text primary key,
    fingerprint text not null,
    status integer not null,
    body text not null,
    stored_at integer not null
);
create table if not exists settings (name text primary key, value text not null);
"""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer to the first request with an idempotency key."""

    fingerprint: str
    status: int
    body: dict[str, Any]
    stored_at: int


class Store:
    """Objects by id and in order of creation, stored answers, and settings."""

    def __init__(self, path: Path | None = None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        # One connection behind one lock: requests are executed one after the other.
        self._connection = sqlite3.connect(
            path or ":memory:", check_same_thread=False, isolation_level=None
        )
        self._lock = threading.RLock()
        self._connection.execute("pragma journal_mode = wal")
        self._connection.executescript(TABLES)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the store alone; what was written counts only if the block ends well.

        Within another transaction only the inner writes are undone.
        """
        with self._lock:
            is_inner = self._connection.in_transaction
            self._connection.execute("savepoint nested" if is_inner else "begin immediate")
            try:
                yield
            except BaseException:
                self._connection.execute("rollback to nested" if is_inner else "rollback")
                raise
            self._connection.execute("release nested" if is_inner else "commit")

    def add(self, body: dict[str, Any], created: int, parent: str | None = None) -> None:
        """Store a new object; ``parent`` is what lists of it are narrowed by."""
        self._connection.execute(
            "insert into objects (id, kind, parent, created, body) values (?, ?, ?, ?, ?)",
            (body["id"], body["object"], parent, created, json.dumps(body)),
        )

    def put(self, body: dict[str, Any]) -> None:
        """Store the new state of an object."""
        self._connection.execute(
            "update objects set body = ? where id = ?", (json.dumps(body), body["id"])
        )

    def remove(self, identifier: str) -> None:
        """Forget an object."""
        self._connection.execute("delete from objects where id = ?", (identifier,))

    def get(self, kind: str, identifier: str) -> dict[str, Any] | None:
        """Return an object, or nothing."""
        row = self._connection.execute(
            "select body from objects where id = ? and kind = ?", (identifier, kind)
        ).fetchone()
        return json.loads(row[0]) if row else None

    def newest_first(self, kind: str, parent: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield the objects of a kind, the latest first."""
        return self._objects(
            "select body from objects where kind = ? and (? is null or parent = ?)"
            " order by sequence desc",
            (kind, parent, parent),
        )

    def oldest_first(self, kind: str, parent: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield the objects of a kind, the earliest first."""
        return self._objects(
            "select body from objects where kind = ? and (? is null or parent = ?)"
            " order by sequence",
            (kind, parent, parent),
        )

    def _objects(self, query: str, values: tuple[str | None, ...]) -> Iterator[dict[str, Any]]:
        for (body,) in self._connection.execute(query, values):
            yield json.loads(body)

    def count(self, kind: str) -> int:
        """Return the number of objects of a kind."""
        found = self._connection.execute("select count(*) from objects where kind = ?", (kind,))
        return int(found.fetchone()[0])

    def answer(self, key: str) -> StoredAnswer | None:
        """Return the stored answer of an idempotency key."""
        row = self._connection.execute(
            "select fingerprint, status, body, stored_at from answers where idempotency_key = ?",
            (key,),
        ).fetchone()
        return StoredAnswer(row[0], row[1], json.loads(row[2]), row[3]) if row else None

    def keep_answer(self, key: str, answer: StoredAnswer) -> None:
        """Store the answer of an idempotency key in place of a forgotten one."""
        self._connection.execute(
            "insert or replace into answers values (?, ?, ?, ?, ?)",
            (key, answer.fingerprint, answer.status, json.dumps(answer.body), answer.stored_at),
        )

    def setting(self, name: str) -> str | None:
        """Return a setting, or nothing."""
        row = self._connection.execute(
            "select value from settings where name = ?", (name,)
        ).fetchone()
        return str(row[0]) if row else None

    def set_setting(self, name: str, value: str) -> None:
        """Store a setting."""
        self._connection.execute("insert or replace into settings values (?, ?)", (name, value))
