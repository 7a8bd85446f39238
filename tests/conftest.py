"""What all tests share: a Postgres server per test process, and a fresh warehouse per test."""

import secrets
from collections.abc import Iterator

import pytest
from sqlalchemy import URL, text

from connectors.embedded_postgres import OWNER, Address, EmbeddedPostgres
from connectors.schema import prepare_warehouse
from connectors.warehouse import Warehouse, open_engine

TEMPLATE = "prepared_warehouse"


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


def execute(server: EmbeddedPostgres, statement: str) -> None:
    """Execute a statement that cannot be part of a transaction, such as ``create database``."""
    engine = open_engine(address_of(server, "meterhouse"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """The server of this test process; a crash of the machine would cost its data."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), is_durable=False)
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
    execute(postgres, f"drop database {name} with (force)")


@pytest.fixture
def warehouse(postgres: EmbeddedPostgres, prepared_template: str) -> Iterator[Warehouse]:
    """A warehouse of this test's own, prepared and empty."""
    name = f"test_{secrets.token_hex(6)}"
    execute(postgres, f"create database {name} template {prepared_template} strategy file_copy")
    warehouse = Warehouse(url=address_of(postgres, name))
    yield warehouse
    warehouse.close()
    execute(postgres, f"drop database {name} with (force)")


@pytest.fixture
def database_environment(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables by which dbt and Dagster find this test's warehouse, set for the test."""
    url = warehouse.engine.url
    variables = {
        "METERHOUSE_WAREHOUSE_URL": warehouse.url,
        "METERHOUSE_PG_HOST": str(url.host),
        "METERHOUSE_PG_PORT": str(url.port),
        "METERHOUSE_PG_USER": str(url.username),
        "METERHOUSE_PG_PASSWORD": str(url.password),
        "METERHOUSE_PG_DATABASE": str(url.database),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables
