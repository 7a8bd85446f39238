"""The environment that commands, Dagster and dbt of a workspace share."""

import os
from pathlib import Path

import yaml
from dotenv import dotenv_values
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError

from connectors.database import WarehouseUnavailable, connected, open_engine, warehouse_url
from connectors.embedded_databases import DAGSTER_DATABASE, OWNER, Address
from connectors.embedded_postgres import EmbeddedPostgres
from connectors.schema import prepare_warehouse
from models.workspace import Workspace

DAGSTER_SCHEMA = "dagster"
# The credentials of AWS are read by its own library, from the environment only.
EXPORTED_PREFIXES = ("AWS_", "METERHOUSE_AS_OF", "METERHOUSE_SCHEDULES")
# What a URL may say about encryption, and the variable by which dbt's profile reads it.
SSL_VARIABLES = {"sslmode": "METERHOUSE_PG_SSLMODE", "sslrootcert": "METERHOUSE_PG_SSLROOTCERT"}
QUIET = {
    "GX_ANALYTICS_ENABLED": "false",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DO_NOT_TRACK": "1",
}
# Secrets stand here as names of variables: child processes get this file's content as an argument,
# which everybody on the machine can read.
DAGSTER_SETTINGS = {
    "storage": {"postgres": {"postgres_url": {"env": "METERHOUSE_DAGSTER_URL"}}},
    "telemetry": {"enabled": False},
    # What steps say is in a run's events; each capture of their output takes four processes more.
    "compute_logs": {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    },
    "nux": {"enabled": False},
    # A run whose process was killed is noticed within seconds and begun again; what failed by its
    # own error is not, as that repeats itself.
    "run_monitoring": {"enabled": True, "poll_interval_seconds": 10},
    "run_retries": {"enabled": True, "max_retries": 2, "retry_on_asset_or_op_failure": False},
    "concurrency": {
        "runs": {"max_concurrent_runs": 4},
        "pools": {"default_limit": 1, "granularity": "run"},
    },
    "retention": {
        "schedule": {"purge_after_days": {"skipped": 7, "failure": 90, "success": 90}},
        "sensor": {"purge_after_days": {"skipped": 2, "failure": 90, "success": 30}},
    },
}


def activate(workspace: Workspace) -> None:
    """Make this process and its children work on a workspace.

    Starts the embedded Postgres if it does not run, creates what is missing in the warehouse,
    writes Dagster's settings, and exports the variables that Dagster and dbt read.
    """
    _keep_private(workspace.state_directory)
    warehouse, dagster = _databases(workspace)
    home = workspace.state_directory / "dagster"
    _write_if_changed(home / "dagster.yaml", yaml.safe_dump(DAGSTER_SETTINGS, sort_keys=False))
    os.environ.update(QUIET)
    _export_env_file(workspace.directory / ".env")
    os.environ.update(
        {
            "METERHOUSE_WORKSPACE": str(workspace.directory),
            "DAGSTER_HOME": str(home),
            "METERHOUSE_DAGSTER_URL": dagster.render_as_string(hide_password=False),
        }
    )
    os.environ.update(warehouse_variables(warehouse))


def _keep_private(folder: Path) -> None:
    """Close the state to other users of the machine: logs and PDFs in it are a company's own.

    As root the embedded server runs as another user, who must pass through, and may not look.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mode = 0o711 if os.geteuid() == 0 else 0o700
    if folder.stat().st_uid == os.geteuid() and folder.stat().st_mode & 0o777 & ~mode:
        folder.chmod(mode)


def _export_env_file(file: Path) -> None:
    """Export what libraries and child processes read of ``.env``; the environment goes first."""
    for name, value in dotenv_values(file, interpolate=False, encoding="utf-8-sig").items():
        if value and name.startswith(EXPORTED_PREFIXES):
            os.environ.setdefault(name, value)


def warehouse_variables(url: URL) -> dict[str, str]:
    """Return the variables that say where the warehouse is: an address for us, parts for dbt."""
    given = {
        "METERHOUSE_WAREHOUSE_URL": url.render_as_string(hide_password=False),
        "METERHOUSE_PG_HOST": url.host or "",
        "METERHOUSE_PG_PORT": str(url.port or 5432),
        "METERHOUSE_PG_USER": url.username or "",
        "METERHOUSE_PG_PASSWORD": url.password or "",
        "METERHOUSE_PG_DATABASE": url.database or "",
    }
    encryption = url.normalized_query
    return given | {
        variable: encryption[name][-1]
        for name, variable in SSL_VARIABLES.items()
        if name in encryption
    }


def _databases(workspace: Workspace) -> tuple[URL, URL]:
    """Return the addresses of the warehouse, prepared, and of Dagster's storage."""
    settings = workspace.settings.warehouse
    if settings.is_embedded:
        server = EmbeddedPostgres(workspace.state_directory)
        warehouse = _url(server.ensure_running())
        _prepare(warehouse)
        return warehouse, _url(server.address(OWNER, DAGSTER_DATABASE))
    warehouse = warehouse_url(settings.url.get_secret_value())
    _prepare(warehouse)
    return warehouse, _dagster_storage(warehouse)


def _prepare(warehouse: URL) -> None:
    engine = open_engine(warehouse)
    try:
        prepare_warehouse(engine)
    finally:
        engine.dispose()


def _url(address: Address) -> URL:
    return URL.create(
        "postgresql+psycopg2",
        username=address.user,
        password=address.password,
        host=address.host,
        port=address.port,
        database=address.database,
    )


def _dagster_storage(warehouse: URL) -> URL:
    """Return where Dagster keeps its runs on a server that is not ours.

    That is a database beside the warehouse or, where we may not create one, a schema inside.
    """
    beside = warehouse.set(database=f"{warehouse.database}_dagster")
    within = warehouse.update_query_dict({"options": f"-csearch_path={DAGSTER_SCHEMA}"})
    engine = open_engine(warehouse)
    try:
        with connected(engine) as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            if _may_connect(connection, str(beside.database)):
                return beside
            schema = connection.execute(
                text(f"select to_regnamespace('{DAGSTER_SCHEMA}')")
            ).scalar()
            if schema is None and _create_database(connection, str(beside.database)):
                return beside
            _create_schema(connection)
            return within
    finally:
        engine.dispose()


def _may_connect(connection: Connection, database: str) -> bool:
    query = text(
        """
        select has_database_privilege(oid, 'connect') and datdba = current_user::regrole
        from pg_database
        where datname = :name
        """
    )
    return bool(connection.execute(query, {"name": database}).scalar())


def _create_database(connection: Connection, database: str) -> bool:
    quoted = connection.dialect.identifier_preparer.quote(database)
    try:
        connection.execute(text(f"create database {quoted}"))
    except DBAPIError:
        # Not allowed; or another process has just created it.
        return _may_connect(connection, database)
    return True


def _create_schema(connection: Connection) -> None:
    try:
        connection.execute(text(f"create schema if not exists {DAGSTER_SCHEMA}"))
    except DBAPIError as error:
        raise WarehouseUnavailable(
            f"there is no place for Dagster's storage: {error.orig}. Allow our user to create "
            "databases, or to create schemas in the warehouse"
        ) from None


def _write_if_changed(file: Path, content: str) -> None:
    if file.exists() and file.read_text() == content:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    # Written beside and moved, as another process may be reading it.
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.write_text(content)
    draft.replace(file)
