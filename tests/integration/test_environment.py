"""Activation: a workspace's database, Dagster home and variables, embedded or on a server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from sqlalchemy import make_url, text

from connectors.database import WarehouseUnavailable, open_engine
from connectors.embedded_databases import SUPERUSER
from connectors.embedded_postgres import EmbeddedPostgres
from connectors.schema import READER
from models.workspace import load_workspace
from orchestration.environment import activate
from tests.conftest import address_of

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """What activation exports is undone at the end of each test."""
    for name in list(os.environ):
        if name.startswith(("METERHOUSE_", "DAGSTER_")):
            monkeypatch.delenv(name)
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="module")
def external(server_directory):
    """A server that is not the workspace's own, with users of few rights."""
    server = EmbeddedPostgres(server_directory / "external", is_durable=False)
    server.ensure_running()
    as_superuser(
        server,
        "create role billing login password 'p@ss/w:rd%21'",
        "create role maker login createdb createrole password 'maker'",
    )
    yield server
    server.stop()


def as_superuser(server, *statements):
    engine = open_engine(address_of(server, "postgres", SUPERUSER))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%"))
    engine.dispose()


@pytest.fixture
def workspace(tmp_path):
    directory = tmp_path / "workspace"
    directory.mkdir()

    def make(url, where=directory):
        where.mkdir(exist_ok=True)
        (where / "meterhouse.yml").write_text(f"warehouse: {{url: '{url}'}}\n")
        return load_workspace(where)

    return make


def ask(variable, statement):
    engine = open_engine(os.environ[variable])
    try:
        with engine.begin() as connection:
            return connection.execute(text(statement)).scalar()
    finally:
        engine.dispose()


def use_dagster():
    """Record a run in the instance of the environment, in a process of its own."""
    program = (
        "import dagster as dg\n"
        "@dg.asset\n"
        "def one(): return 1\n"
        "with dg.DagsterInstance.get() as instance:\n"
        "    assert dg.materialize([one], instance=instance).success\n"
        "    print(type(instance.run_storage).__name__, instance.get_runs_count(),\n"
        "          instance.run_monitoring_enabled, instance.telemetry_enabled,\n"
        "          instance.nux_enabled, instance.run_retries_max_retries)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )


def test_an_embedded_workspace_is_ready_for_commands_dagster_and_dbt(workspace, server_directory):
    used = workspace("embedded", server_directory / "embedded-workspace")
    server = EmbeddedPostgres(used.state_directory)
    try:
        activate(used)
        activate(used)
        assert os.environ["METERHOUSE_WORKSPACE"] == str(used.directory)
        # Nobody else may look into it; as root the server, another user, passes through.
        assert used.state_directory.stat().st_mode & 0o066 == 0
        assert os.environ["GX_ANALYTICS_ENABLED"] == "false"
        assert ask("METERHOUSE_WAREHOUSE_URL", "select count(*) from billing.invoices") == 0
        url = make_url(os.environ["METERHOUSE_WAREHOUSE_URL"])
        parts = [
            os.environ[f"METERHOUSE_PG_{name}"] for name in ("HOST", "PORT", "USER", "DATABASE")
        ]
        assert parts == [url.host, str(url.port), url.username, url.database]
        assert os.environ["METERHOUSE_PG_PASSWORD"] == url.password

        ran = use_dagster()
        assert ran.stdout.split() == ["PostgresRunStorage", "1", "True", "False", "False", "2"]
        content = (used.state_directory / "dagster" / "dagster.yaml").read_text()
        assert url.password not in content
        assert yaml.safe_load(content)["run_retries"]["retry_on_asset_or_op_failure"] is False
        written = (used.state_directory / "dagster" / "dagster.yaml").stat().st_mtime_ns
        activate(used)
        assert (used.state_directory / "dagster" / "dagster.yaml").stat().st_mtime_ns == written
    finally:
        server.stop()


def external_url(server, user, database):
    return f"postgresql://{user}@127.0.0.1:{server.address(SUPERUSER).port}/{database}"


def test_a_server_whose_user_may_only_use_one_database(workspace, external):
    """The usual managed database: no right to create databases or roles, an awkward password."""
    as_superuser(
        external, "create database narrow owner billing", f"drop role if exists {READER}_gone"
    )
    used = workspace(external_url(external, "billing:p%40ss%2Fw%3Ard%2521", "narrow"))
    activate(used)
    assert os.environ["METERHOUSE_PG_PASSWORD"] == "p@ss/w:rd%21"
    assert ask("METERHOUSE_WAREHOUSE_URL", "select current_user || current_database()") == (
        "billingnarrow"
    )
    assert ask("METERHOUSE_DAGSTER_URL", "show search_path") == "dagster"
    ran = use_dagster()
    assert ran.stdout.split()[:2] == ["PostgresRunStorage", "1"], ran.stderr
    assert ask("METERHOUSE_WAREHOUSE_URL", "select count(*) from dagster.runs") == 1
    activate(used)
    assert ask("METERHOUSE_DAGSTER_URL", "show search_path") == "dagster"


def test_a_server_whose_user_may_create_databases(workspace, external):
    as_superuser(external, 'create database "Wide-1" owner maker')
    used = workspace(external_url(external, "maker:maker", "Wide-1"))
    for _ in range(2):
        activate(used)
        assert ask("METERHOUSE_DAGSTER_URL", "select current_database()") == "Wide-1_dagster"


def test_without_a_reader_and_without_the_right_to_create_one_it_goes_on(
    workspace, server_directory, caplog
):
    server = EmbeddedPostgres(server_directory / "without-reader", is_durable=False)
    server.ensure_running()
    try:
        as_superuser(
            server,
            f"drop role {READER}",
            "create role billing login password 'x'",
            "create database narrow owner billing",
        )
        used = workspace(external_url(server, "billing:x", "narrow"))
        activate(used)
        assert f"The role {READER} could not be created" in caplog.text
        assert ask("METERHOUSE_WAREHOUSE_URL", "select count(*) from billing.invoices") == 0
        caplog.clear()
        activate(used)
        assert caplog.text == ""
    finally:
        server.stop()


def test_a_server_that_cannot_be_used_is_explained_without_its_password(workspace, external):
    used = workspace(external_url(external, "billing:wr0ng-secret", "postgres"))
    with pytest.raises(WarehouseUnavailable) as failure:
        activate(used)
    assert "password in warehouse.url" in str(failure.value)
    assert "wr0ng-secret" not in str(failure.value)


def test_a_user_who_may_create_nothing_is_told_so(workspace, external):
    as_superuser(external, "create database foreign_owned")
    used = workspace(external_url(external, "maker:maker", "foreign_owned"))
    with pytest.raises(WarehouseUnavailable, match="may not create") as failure:
        activate(used)
    assert "grant create on database" in str(failure.value)
    assert "maker:maker" not in str(failure.value)
