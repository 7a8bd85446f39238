"""What all tests share: a Postgres server per test process, and a fresh warehouse per test."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import URL, text

from connectors.database import open_engine
from connectors.embedded_databases import OWNER, SUPERUSER, Address
from connectors.embedded_postgres import EmbeddedPostgres
from connectors.schema import prepare_warehouse
from connectors.warehouse import Warehouse
from tests.pipeline import Pipeline

TEMPLATE = "prepared_warehouse"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what this machine cannot do at all: it is told by a marker, and not skipped."""
    cannot = {"root": os.geteuid() != 0, "samples": "METERHOUSE_SAMPLES" not in os.environ}
    items[:] = [
        item
        for item in items
        if not any(item.get_closest_marker(name) for name, is_so in cannot.items() if is_so)
    ]


def address_of(server: EmbeddedPostgres, database: str, user: str = OWNER) -> str:
    """Return the address of a database as one string, its password included."""
    found: Address = server.address(user, database)
    url = URL.create(
        "postgresql+psycopg2",
        found.user,
        found.password,
        found.host,
        found.port,
        found.database,
    )
    return url.render_as_string(hide_password=False)


def execute(server: EmbeddedPostgres, statement: str, user: str = OWNER) -> None:
    """Execute a statement that cannot be part of a transaction, such as ``create database``."""
    engine = open_engine(address_of(server, "meterhouse", user))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))
    engine.dispose()


def drop_database(server: EmbeddedPostgres, name: str) -> None:
    """Drop a database, whoever is in it: only a superuser may stop an autovacuum worker there."""
    execute(server, f"drop database {name} with (force)", SUPERUSER)


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Path]:
    """A folder for servers, of this session's own.

    pytest's own folders close themselves to others whenever another session begins, and as root the
    server runs as another user.
    """
    with tempfile.TemporaryDirectory(prefix="meterhouse-test-") as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def postgres(server_directory: Path) -> Iterator[EmbeddedPostgres]:
    """The server of this test process; a crash of the machine would cost its data."""
    server = EmbeddedPostgres(server_directory / "shared", is_durable=False)
    server.ensure_running()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def prepared_template(postgres: EmbeddedPostgres) -> str:
    """The name of a prepared, empty warehouse that others are copied from."""
    execute(postgres, f"create database {TEMPLATE}")
    engine = open_engine(address_of(postgres, TEMPLATE))
    prepare_warehouse(engine)
    engine.dispose()
    return TEMPLATE


@pytest.fixture
def empty_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The address of a database with nothing in it."""
    name = f"test_{secrets.token_hex(6)}"
    execute(postgres, f"create database {name}")
    yield address_of(postgres, name)
    drop_database(postgres, name)


@contextmanager
def fresh_warehouse(postgres: EmbeddedPostgres, template: str) -> Iterator[Warehouse]:
    """Yield a warehouse of its own, prepared and empty; it is dropped at the end."""
    name = f"test_{secrets.token_hex(6)}"
    execute(postgres, f"create database {name} template {template} strategy file_copy")
    warehouse = Warehouse(url=address_of(postgres, name))
    yield warehouse
    warehouse.close()
    drop_database(postgres, name)


def environment_of(warehouse: Warehouse) -> dict[str, str]:
    """Return the variables by which dbt and Dagster find a warehouse."""
    url = warehouse.engine.url
    return {
        "METERHOUSE_WAREHOUSE_URL": warehouse.url,
        "METERHOUSE_PG_HOST": str(url.host),
        "METERHOUSE_PG_PORT": str(url.port),
        "METERHOUSE_PG_USER": str(url.username),
        "METERHOUSE_PG_PASSWORD": str(url.password),
        "METERHOUSE_PG_DATABASE": str(url.database),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }


@contextmanager
def fresh_pipeline(
    postgres: EmbeddedPostgres, template: str, directory: Path
) -> Iterator[Pipeline]:
    """Yield the way of the data from delivered files to drafts, in a warehouse of its own."""
    with fresh_warehouse(postgres, template) as warehouse, pytest.MonkeyPatch.context() as patch:
        for name, value in environment_of(warehouse).items():
            patch.setenv(name, value)
        yield Pipeline(warehouse, directory)


@pytest.fixture
def warehouse(postgres: EmbeddedPostgres, prepared_template: str) -> Iterator[Warehouse]:
    """A warehouse of this test's own, prepared and empty."""
    with fresh_warehouse(postgres, prepared_template) as warehouse:
        yield warehouse


@pytest.fixture
def database_environment(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables by which dbt and Dagster find this test's warehouse, set for the test."""
    variables = environment_of(warehouse)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def pipeline(
    postgres: EmbeddedPostgres, prepared_template: str, tmp_path: Path
) -> Iterator[Pipeline]:
    """The way of the data from delivered files to drafts, in this test's warehouse."""
    with fresh_pipeline(postgres, prepared_template, tmp_path) as pipeline:
        yield pipeline
