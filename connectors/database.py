"""Connections to a Postgres database of ours: their pool, their errors, and locks held by them."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg2 import errors
from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError, ProgrammingError

from models.exact_json import read_json, write_json

OLDEST_SERVER = 15
CONNECT_TIMEOUT_SECONDS = 10
SESSION_OPTIONS = "-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres"
# A lock is held by a session; without these a firewall drops it when a long pull leaves it idle.
KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 6}


class WarehouseUnavailable(RuntimeError):  # noqa: N818 - a state of the outside world, not our error
    """The warehouse cannot be reached or used; the message says what to do about it."""


class WarehouseBusy(RuntimeError):  # noqa: N818 - a state, not an error of ours
    """Another process does what must be done by one at a time."""


def warehouse_url(address: str) -> URL:
    """Return the address of a Postgres database as SQLAlchemy needs it, with its driver."""
    try:
        url = make_url(address)
        name = url.get_backend_name()
    except (ArgumentError, ValueError):
        # The library's message quotes the address, password included.
        url, name = None, ""
    # An @ that is not encoded has split the password: the rest of it would be taken for the host.
    if (
        url is None
        or name not in {"postgresql", "postgres"}
        or not url.database
        or "@" in f"{url.host}{url.database}"
    ):
        raise WarehouseUnavailable(
            "the warehouse's address cannot be read; expected "
            "postgresql://user:password@host:5432/database, with special characters of the "
            "password percent-encoded (@ is %40, / is %2F)"
        )
    return url.set(drivername="postgresql+psycopg2")


def open_engine(address: str | URL) -> Engine:
    """Return a pool of connections to a Postgres database; nothing is connected yet.

    Every session is in UTC. JSON is read with its fractions as text, never as floats.
    """
    url = warehouse_url(address) if isinstance(address, str) else address
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=4,
        max_overflow=12,
        json_serializer=write_json,
        json_deserializer=read_json,
        connect_args={
            "application_name": f"meterhouse process {os.getpid()}",
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "client_encoding": "utf8",
            "options": f"{url.normalized_query.get('options', ('',))[-1]} {SESSION_OPTIONS}",
            **KEEPALIVES,
        },
    )


@contextmanager
def connected(engine: Engine) -> Iterator[Connection]:
    """Yield a connection; a server that cannot be reached or used is ``WarehouseUnavailable``."""
    try:
        connection = engine.connect()
    except OperationalError as error:
        raise WarehouseUnavailable(_explain_refusal(engine.url, error)) from None
    except ProgrammingError as error:
        options = ", ".join(sorted(engine.url.query))
        raise WarehouseUnavailable(
            f"the warehouse's address has an option that is not known, of {options}"
        ) from error
    with connection:
        version = int((connection.dialect.server_version_info or (0,))[0])
        if version < OLDEST_SERVER:
            raise WarehouseUnavailable(
                f"the warehouse at {place(engine.url)} is PostgreSQL {version}; "
                f"Meterhouse needs {OLDEST_SERVER} or later"
            )
        driver: Any = connection.connection
        encoding = driver.get_parameter_status("server_encoding")
        if encoding != "UTF8":
            # It could not store every id, and the keys that it makes of ids would not be ours.
            raise WarehouseUnavailable(
                f"the warehouse at {place(engine.url)} keeps text as {encoding}; Meterhouse needs "
                "a database with encoding UTF8"
            )
        yield connection


@contextmanager
def locked(engine: Engine, name: str, wait_seconds: float) -> Iterator[None]:
    """Hold the lock of this name; ``WarehouseBusy`` if another session keeps it.

    The lock belongs to a session of its own, so it ends with the process, however that ends.
    """
    with connected(engine) as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        # Out of the pool: closing must end the session, and with it the lock.
        connection.detach()
        _take_lock(connection, name, wait_seconds)
        yield


def _take_lock(connection: Connection, name: str, wait_seconds: float) -> None:
    digest = hashlib.sha256(f"meterhouse {name}".encode()).digest()
    key = {"key": int.from_bytes(digest[:8], signed=True)}
    if connection.execute(text("select pg_try_advisory_lock(:key)"), key).scalar():
        return
    # Zero would mean to wait for ever.
    milliseconds = max(1, round(wait_seconds * 1000))
    connection.execute(
        text("select set_config('lock_timeout', :wait, false)"), {"wait": str(milliseconds)}
    )
    try:
        connection.execute(text("select pg_advisory_lock(:key)"), key)
    except OperationalError as error:
        if not isinstance(error.orig, errors.LockNotAvailable):
            raise
        holder = _holder(connection, key["key"])
        raise WarehouseBusy(
            f"another Meterhouse command is busy with: {name}{holder}; waited "
            f"{wait_seconds:g} s for it. Wait until it ends, or end it, and run this again"
        ) from None


def _holder(connection: Connection, key: int) -> str:
    holder = connection.execute(
        text(
            """
            select activity.application_name, activity.client_addr, activity.backend_start
            from pg_locks as locks
            inner join pg_stat_activity as activity on locks.pid = activity.pid
            where
                locks.locktype = 'advisory'
                and locks.granted
                and locks.objsubid = 1
                and locks.database = (
                    select oid from pg_database where datname = current_database()
                )
                and (locks.classid::bigint << 32) | locks.objid::bigint = :key
            """
        ),
        {"key": key},
    ).first()
    if holder is None or not holder.application_name:
        return ""
    since = f"{holder.backend_start:%H:%M:%S} UTC" if holder.backend_start else "some time"
    where = f" on {holder.client_addr}" if holder.client_addr else ""
    return f" ({holder.application_name}{where}, since {since})"


def relation_exists(connection: Connection, name: str) -> bool:
    """Return whether there is a table or view of this name, which may have a schema before it."""
    query = text("select to_regclass(:name) is not null")
    return bool(connection.execute(query, {"name": name}).scalar_one())


def place(url: URL) -> str:
    """Return where a database is, without who uses it."""
    return f"{url.host or 'the local socket'}:{url.port or 5432}/{url.database}"


def _explain_refusal(url: URL, error: OperationalError) -> str:
    reason = " ".join(str(error.orig).split())
    if url.password:
        reason = reason.replace(str(url.password), "***")
    return f"the warehouse at {place(url)} cannot be used: {reason}. {_remedy(url, reason)}"


def _remedy(url: URL, reason: str) -> str:
    if "authentication failed" in reason or "no password supplied" in reason:
        return f"Check the user {url.username} and the password in warehouse.url"
    if "does not exist" in reason:
        return "Create it, or correct warehouse.url in meterhouse.yml"
    if "too many" in reason:
        return "Close other connections, or raise the server's max_connections"
    return "Check that the server runs and that warehouse.url in meterhouse.yml names it"
