"""Roles and databases of the embedded PostgreSQL."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field

import psycopg2
from psycopg2 import extensions, sql

SUPERUSER = "postgres"
OWNER = "meterhouse_owner"
READER = "meterhouse_reader"
DATABASE = "meterhouse"
DAGSTER_DATABASE = "meterhouse_dagster"
# What each role may do beyond logging in; the owner makes databases and roles, but never runs
# programs of the machine or reads its files, as a superuser could.
RIGHTS = {OWNER: "createdb createrole", READER: ""}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is, and as whom to use it."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)


def provision(superuser: Address, passwords: Mapping[str, str]) -> None:
    """Create our roles and databases where they are missing, and set the roles' passwords."""
    with closing(_connect(superuser)) as connection:
        connection.autocommit = True
        for role, rights in RIGHTS.items():
            _ensure_role(connection, role, rights, passwords[role])
        _execute(connection, "grant {} to {} with admin option, inherit false", READER, OWNER)
        for database in (DATABASE, DAGSTER_DATABASE):
            _ensure_database(connection, database)
        _execute(connection, "revoke all on database {} from public", DAGSTER_DATABASE)


def _connect(address: Address) -> extensions.connection:
    return psycopg2.connect(
        host=address.host,
        port=address.port,
        dbname=address.database,
        user=address.user,
        password=address.password,
        connect_timeout=10,
    )


def _execute(connection: extensions.connection, statement: str, *names: str) -> None:
    composed = sql.SQL(statement).format(*map(sql.Identifier, names))
    with connection.cursor() as cursor:
        cursor.execute(composed)


def _exists(connection: extensions.connection, query: str, name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(query, (name,))
        return cursor.fetchone() is not None


def _ensure_role(connection: extensions.connection, role: str, rights: str, password: str) -> None:
    if not _exists(connection, "select 1 from pg_roles where rolname = %s", role):
        _execute(connection, "create role {}", role)
    # The server gets a verifier only, so that no log can hold the password.
    verifier = extensions.encrypt_password(password, role, connection, "scram-sha-256")
    statement = sql.SQL("alter role {} login {} password {}").format(
        sql.Identifier(role), sql.SQL(rights), sql.Literal(verifier)
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _ensure_database(connection: extensions.connection, database: str) -> None:
    if not _exists(connection, "select 1 from pg_database where datname = %s", database):
        _execute(connection, "create database {} owner {}", database, OWNER)
