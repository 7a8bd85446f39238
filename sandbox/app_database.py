"""The product's own database: a table of usage events on any PostgreSQL server.

Billing reads it as a stranger would, with a role that may do nothing else.
"""

from contextlib import closing, suppress
from pathlib import Path

import psycopg2
from psycopg2 import sql
from sqlalchemy.engine import URL, make_url

DATABASE = "acumen_app"
READER = "acumen_billing_reader"
READER_PASSWORD = "sandbox-app-secret"  # noqa: S105 - opens the stand-in only

TABLE = """
create table usage_events (
    id bigint primary key,
    event_id text not null,
    workspace_id text,
    metric text not null,
    quantity numeric(38, 9),
    occurred_at timestamptz not null,
    updated_at timestamptz not null,
    details jsonb,
    corrects text
)
"""
COLUMNS = (
    "(id, event_id, workspace_id, metric, quantity, occurred_at, updated_at, details, corrects)"
)


def seed_app_database(server_url: str, directory: Path, database: str = DATABASE) -> str:
    """Create and fill the product's database on a server; return the address for its reader.

    ``server_url`` is of a user who may create databases and roles. What is there already stays.
    """
    server = make_url(server_url).set(drivername="postgresql")
    own = server.set(database=database)
    _create_database(server, database)
    with closing(_connected(own)) as connection, connection, connection.cursor() as cursor:
        # Two demos at the same time: the second waits here, and finds the table.
        cursor.execute("select pg_advisory_xact_lock(hashtext('acumen_app'))")
        cursor.execute("select to_regclass('usage_events')")
        found = cursor.fetchone()
        if found is None or found[0] is None:
            _fill(cursor, directory / "app_db" / "usage_events.csv")
        _grant(cursor, database)
    reader = own.set(username=READER, password=READER_PASSWORD)
    return reader.render_as_string(hide_password=False)


def _create_database(server: URL, database: str) -> None:
    # Another process may create it in the same moment.
    taken = (psycopg2.errors.UniqueViolation, psycopg2.errors.DuplicateDatabase)
    with suppress(*taken), closing(_connected(server)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("select 1 from pg_database where datname = %s", [database])
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("create database {}").format(sql.Identifier(database)))


def _connected(url: URL) -> "psycopg2.extensions.connection":
    return psycopg2.connect(url.render_as_string(hide_password=False))


def _fill(cursor: "psycopg2.extensions.cursor", file: Path) -> None:
    cursor.execute(TABLE)
    with file.open() as rows:
        cursor.copy_expert(f"copy usage_events {COLUMNS} from stdin (format csv, header)", rows)
    cursor.execute("create index on usage_events (updated_at, id)")


def _grant(cursor: "psycopg2.extensions.cursor", database: str) -> None:
    cursor.execute("select 1 from pg_roles where rolname = %s", [READER])
    reader = sql.Identifier(READER)
    if cursor.fetchone() is None:
        cursor.execute(
            sql.SQL("create role {} login password {}").format(reader, sql.Literal(READER_PASSWORD))
        )
    cursor.execute(
        sql.SQL("grant connect on database {} to {}").format(sql.Identifier(database), reader)
    )
    cursor.execute(sql.SQL("grant usage on schema public to {}").format(reader))
    cursor.execute(sql.SQL("grant select on usage_events to {}").format(reader))
