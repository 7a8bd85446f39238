"""The server that everything is measured on: the product's own, with its production settings."""

import os
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
from sqlalchemy import URL

from connectors.database import open_engine
from connectors.embedded_databases import OWNER, SUPERUSER, Address
from connectors.embedded_postgres import EmbeddedPostgres
from connectors.schema import prepare_warehouse
from connectors.system_user import system_user
from orchestration.environment import warehouse_variables

# What decides the speed of batch work; the report names them.
SETTINGS = (
    "shared_buffers",
    "work_mem",
    "maintenance_work_mem",
    "max_wal_size",
    "wal_level",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "max_parallel_workers_per_gather",
    "jit",
)


class Server:
    """An embedded Postgres of its own, with a superuser for what only the server can do."""

    def __init__(self, directory: Path) -> None:
        self._postgres = EmbeddedPostgres(directory)
        self.psql = str(self._postgres.psql_path)
        self._postgres.ensure_running()
        # The server writes and reads files here itself, as the user it runs as.
        self.files = self._postgres.directory / "files"
        self.files.mkdir(exist_ok=True)
        user = system_user()
        if user is not None:
            user.own(self.files)

    def stop(self) -> None:
        """Stop the server; its files stay."""
        self._postgres.stop()

    def address(self, database: str, user: str = OWNER) -> Address:
        """Return a database as one of the server's users finds it."""
        return self._postgres.address(user, database)

    def url(self, database: str, *, driver: str = "postgresql+psycopg2") -> str:
        """Return the address of a database of the owner's, with its password."""
        url = _url(self.address(database)).set(drivername=driver)
        return url.render_as_string(hide_password=False)

    def variables(self, database: str) -> dict[str, str]:
        """Return the environment by which the product and its dbt find a database."""
        quiet = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DO_NOT_TRACK": "1"}
        return warehouse_variables(_url(self.address(database))) | quiet

    def psql_variables(self, database: str) -> dict[str, str]:
        """Return the environment by which psql finds a database."""
        address = self.address(database)
        return {
            "PGHOST": address.host,
            "PGPORT": str(address.port),
            "PGDATABASE": address.database,
            "PGUSER": address.user,
            "PGPASSWORD": address.password,
        }

    @contextmanager
    def database(self) -> Iterator[str]:
        """Yield the name of an empty database, which is dropped at the end."""
        name = f"bench_{secrets.token_hex(4)}"
        self.execute("postgres", f'create database {name} owner "{OWNER}"')
        try:
            yield name
        finally:
            # The second is where the product makes Dagster keep its runs.
            for made in (name, f"{name}_dagster"):
                self.execute("postgres", f"drop database if exists {made} with (force)")

    @contextmanager
    def warehouse(self) -> Iterator[str]:
        """Yield the name of a prepared warehouse with nothing in it, dropped at the end."""
        with self.database() as name:
            engine = open_engine(self.url(name))
            prepare_warehouse(engine)
            engine.dispose()
            yield name

    def execute(self, database: str, *statements: str) -> list[tuple[Any, ...]]:
        """Execute statements as superuser, each in its own transaction; returns the last's rows."""
        found = self.address(database, SUPERUSER)
        with closing(
            psycopg2.connect(
                host=found.host,
                port=found.port,
                dbname=found.database,
                user=found.user,
                password=found.password,
                options="-c timezone=UTC",
            )
        ) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def settle(self) -> None:
        """Write out what earlier work left to be written, so that it costs the next one nothing."""
        self.execute("postgres", "checkpoint")
        os.sync()

    def number(self, database: str, query: str) -> Any:
        """Return the only value of a query."""
        return self.execute(database, query)[0][0]

    def load_csv(self, database: str, table: str, file: Path) -> None:
        """Copy a CSV file without header into a table, through a connection."""
        with (
            closing(psycopg2.connect(self.url(database, driver="postgresql"))) as connection,
            connection.cursor() as cursor,
            file.open() as rows,
        ):
            cursor.copy_expert(f"copy {table} from stdin (format csv)", rows)
            connection.commit()

    def described(self) -> dict[str, str]:
        """Return the server's version and the settings that matter."""
        version = self.number("postgres", "show server_version")
        settings = {name: self.number("postgres", f"show {name}") for name in SETTINGS}
        return {"PostgreSQL": str(version), **settings}


def _url(address: Address) -> URL:
    return URL.create(
        "postgresql+psycopg2",
        address.user,
        address.password,
        address.host,
        address.port,
        address.database,
    )
