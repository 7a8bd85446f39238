"""The warehouse's schema: what Python owns of it, created where it is missing.

dbt builds the other tables; here they get their schemas, the guard against changes, and a role
that may read the marts.
"""

import hashlib
import logging

from psycopg2.errors import InsufficientPrivilege
from sqlalchemy import (
    BigInteger,
    Connection,
    Engine,
    Inspector,
    MetaData,
    Select,
    Table,
    inspect,
    select,
    text,
)
from sqlalchemy.dialects import registry
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.schema import CreateTable

from connectors.content_hash import CANONICAL_JSON, CONTENT_HASH
from connectors.database import WarehouseUnavailable, connected, place
from models.tables import billing, catalog, ops, raw

logger = logging.getLogger(__name__)

READER = "meterhouse_reader"
OWN_SCHEMAS: dict[str, MetaData] = {
    "raw": raw.metadata,
    "ops": ops.metadata,
    "catalog": catalog.metadata,
    "billing": billing.metadata,
}
SCHEMAS = (*OWN_SCHEMAS, "staging", "journal", "rating", "cost", "marts")
VIEWS = {
    "closed_periods": select(billing.invoices),
    "closed_lines": select(billing.invoice_lines),
    "voided_invoices": select(
        billing.invoice_events.c.invoice_id,
        billing.invoice_events.c.details["invoice_sequence"]
        .as_integer()
        .cast(BigInteger)
        .label("voided_at_sequence"),
        billing.invoice_events.c.happened_at.label("voided_at"),
    ).where(billing.invoice_events.c.event == "voided"),
}
VIEW_COMMENT = "What is finalised, as rating reads it: apart from the table that closing writes."
APPEND_ONLY: tuple[Table, ...] = (
    raw.usage_records,
    raw.refused_records,
    raw.quarantine,
    raw.quarantine_resolutions,
    raw.cost_lines,
    ops.journaled_deliveries,
    *catalog.metadata.sorted_tables,
    billing.invoices,
    billing.invoice_lines,
    billing.invoice_events,
)

REFUSE_CHANGE = """
create or replace function ops.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% of %.% is refused: its rows are only ever added',
        lower(tg_op), tg_table_schema, tg_table_name
        using errcode = 'restrict_violation';
end
$$
"""
# The counts of a delivery are known when its rows are in: the transaction that landed it may
# complete its row, and nobody afterwards.
GUARD_DELIVERIES = """
create or replace trigger refuse_change before update on raw.deliveries
    for each row when (old.xmin <> pg_current_xact_id()::xid)
    execute function ops.refuse_change();
create or replace trigger refuse_removal before delete or truncate on raw.deliveries
    for each statement execute function ops.refuse_change();
revoke delete, truncate on raw.deliveries from current_user
"""
# What was archived is forgotten by the transaction that restores it, which says so, and by nobody
# else.
GUARD_ARCHIVED = """
create or replace trigger refuse_change before update or truncate on ops.archived_entries
    for each statement execute function ops.refuse_change();
create or replace trigger refuse_removal before delete on ops.archived_entries
    for each statement
    when (coalesce(current_setting('meterhouse.restored_archive', true), '') = '')
    execute function ops.refuse_change();
revoke update, truncate on ops.archived_entries from current_user
"""
FUNCTIONS = (REFUSE_CHANGE, CANONICAL_JSON, CONTENT_HASH)
GUARD = """
create or replace trigger refuse_change before update or delete or truncate on {table}
    for each statement execute function ops.refuse_change();
revoke update, delete, truncate on {table} from current_user
"""
READER_STATEMENTS = (
    f"grant usage on schema marts to {READER}",
    f"grant select on all tables in schema marts to {READER}",
    f"alter default privileges in schema marts grant select on tables to {READER}",
)
READER_SETTINGS = (
    "default_transaction_read_only = on",
    "statement_timeout = '5min'",
    "idle_in_transaction_session_timeout = '5min'",
    "search_path = marts",
    "timezone = 'UTC'",
)


class SchemaOutdated(WarehouseUnavailable):
    """The database has tables of another version of Meterhouse."""


def prepare_warehouse(engine: Engine) -> None:
    """Create what is missing of schemas, tables, views, guards and the reader's role.

    Costs one query when nothing is to do. Two processes may call it at once.
    """
    try:
        with connected(engine) as connection, connection.begin():
            _prepare(connection)
    except ProgrammingError as error:
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        url = engine.url
        raise WarehouseUnavailable(
            f"the user {url.username} may not create what Meterhouse needs in {place(url)}: "
            f"{str(error.orig).strip()}. Let the database's owner execute: "
            f'grant create on database "{url.database}" to "{url.username}"'
        ) from None


def _prepare(connection: Connection) -> None:
    fingerprint = schema_fingerprint()
    if _stored_fingerprint(connection) == fingerprint:
        return
    connection.execute(text("select pg_advisory_xact_lock(hashtext('meterhouse schema'))"))
    if _stored_fingerprint(connection) == fingerprint:
        return
    _create_schemas(connection)
    _create_tables(connection)
    _create_guards(connection)
    _prepare_reader(connection)
    _set_owner_to_utc(connection)
    connection.execute(text(f"comment on schema ops is '{fingerprint}'"))


def schema_fingerprint() -> str:
    """Return what tells one state of these definitions from another."""
    parts: list[str] = [*SCHEMAS, *FUNCTIONS, GUARD_DELIVERIES, GUARD_ARCHIVED, GUARD]
    parts += [*READER_STATEMENTS, *READER_SETTINGS, *VIEWS, *map(_written, VIEWS.values())]
    parts += [table.fullname for table in APPEND_ONLY]
    postgres = registry.load("postgresql")()
    for metadata in OWN_SCHEMAS.values():
        for table in metadata.sorted_tables:
            parts.append(str(CreateTable(table).compile(dialect=postgres)))
            parts.append(table.comment or "")
    digest = hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
    return f"Meterhouse schema {digest[:16]}"


def _stored_fingerprint(connection: Connection) -> str | None:
    """Return the state of the database; None also where it was restored from a dump.

    Roles' settings for a database are not part of its dump or copy.
    """
    query = """
        select obj_description(to_regnamespace('ops')::oid, 'pg_namespace')
        where exists (
            select 1
            from pg_db_role_setting
            where
                setdatabase = (select oid from pg_database where datname = current_database())
                and setrole = current_user::regrole
        )
    """
    stored = connection.execute(text(query)).scalar()
    return None if stored is None else str(stored)


def _create_schemas(connection: Connection) -> None:
    # Asked first: where schemas were made for us, the right to make them may be missing.
    present = set(inspect(connection).get_schema_names())
    for name in SCHEMAS:
        if name not in present:
            connection.execute(text(f"create schema {name}"))


def _create_tables(connection: Connection) -> None:
    inspector = inspect(connection)
    missing = [
        f"{table.fullname}.{column}"
        for name, metadata in OWN_SCHEMAS.items()
        for table in metadata.sorted_tables
        if inspector.has_table(table.name, schema=name)
        for column in _missing_columns(inspector, table)
    ]
    if missing:
        raise SchemaOutdated(
            "this database was made by another version of Meterhouse: it lacks "
            f"{', '.join(missing)}. Use an empty database, or the version that made this one"
        )
    for metadata in OWN_SCHEMAS.values():
        metadata.create_all(connection)
    for name, query in VIEWS.items():
        connection.execute(text(f"create or replace view billing.{name} as {_written(query)}"))
        connection.execute(text(f"comment on view billing.{name} is '{VIEW_COMMENT}'"))


def _written(query: Select) -> str:
    dialect = registry.load("postgresql")()
    return str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def _missing_columns(inspector: Inspector, table: Table) -> list[str]:
    present = {column["name"] for column in inspector.get_columns(table.name, schema=table.schema)}
    return [column.name for column in table.columns if column.name not in present]


def _create_guards(connection: Connection) -> None:
    for function in FUNCTIONS:
        connection.execute(text(function))
    for statement in (*GUARD_DELIVERIES.split(";\n"), *GUARD_ARCHIVED.split(";\n")):
        connection.execute(text(statement))
    for table in APPEND_ONLY:
        guard(connection, table.fullname)


def guard(connection: Connection, table: str) -> None:
    """Make a table one that is only ever added to, for its owner as well."""
    for statement in GUARD.format(table=table).split(";\n"):
        connection.execute(text(statement))


def _prepare_reader(connection: Connection) -> None:
    if not _has_reader(connection):
        _tolerant(connection, f"create role {READER} nologin")
    if not _has_reader(connection):
        logger.warning(
            "The role %s could not be created, as our user may not create roles; BI tools need "
            "another role with: grant usage on schema marts, and select on its tables",
            READER,
        )
        return
    for statement in READER_STATEMENTS:
        connection.execute(text(statement))
    database = connection.execute(text("select quote_ident(current_database())")).scalar()
    for setting in READER_SETTINGS:
        _tolerant(connection, f"alter role {READER} in database {database} set {setting}")


def _has_reader(connection: Connection) -> bool:
    query = text("select exists (select 1 from pg_roles where rolname = :name)")
    return bool(connection.execute(query, {"name": READER}).scalar())


def _set_owner_to_utc(connection: Connection) -> None:
    """Make every session of ours UTC, those of dbt included, whatever the server's zone is."""
    database = connection.execute(text("select quote_ident(current_database())")).scalar()
    _tolerant(connection, f"alter role current_user in database {database} set timezone = 'UTC'")


def _tolerant(connection: Connection, statement: str) -> bool:
    """Execute a statement that a server's administrator may have forbidden us."""
    try:
        with connection.begin_nested():
            connection.execute(text(statement))
    except DBAPIError as error:
        logger.info("%s: %s", statement, error.orig)
        return False
    return True
