"""The code location as a whole."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import Table

from assets.partitions import billing_months, usage_days
from assets.table_specs import manifest
from models.tables import billing, catalog, ops, raw
from models.workspace import Workspace, load_workspace
from orchestration import jobs
from orchestration.definitions import SEEN_BY_THE_BUILD, build_definitions
from orchestration.schedules import SCHEDULES_VARIABLE, schedules
from orchestration.sensors import posting_request, sensors

DEMO = Path(__file__).parents[2] / "sandbox" / "demo_workspace"
SECRET = "canary-of-a-secret"
TABLES = [
    table for module in (raw, ops, catalog, billing) for table in module.metadata.sorted_tables
]


class AnyVariable(dict[str, str]):
    """An environment in which every variable has a value."""

    def get(self, name: str, default: str | None = None) -> str | None:
        if name == "METERHOUSE_DEMO_WAREHOUSE":
            return default
        if name == "METERHOUSE_DEMO_APP_DB":
            return f"postgresql://reader:{SECRET}@localhost/app"
        if name == "METERHOUSE_DEMO_ROLE":
            return "arn:aws:iam::123456789012:role/reader"
        if name in ("METERHOUSE_DEMO_AWS", "METERHOUSE_DEMO_MIXPANEL", "METERHOUSE_DEMO_STRIPE"):
            return "http://127.0.0.1:1"
        return SECRET


@pytest.fixture(scope="module")
def workspace() -> Workspace:
    return load_workspace(DEMO, AnyVariable())


@pytest.fixture(scope="module")
def definitions(workspace: Workspace) -> dg.Definitions:
    return build_definitions(workspace)


def test_the_code_location_loads(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_it_loads_before_there_is_a_workspace() -> None:
    dg.Definitions.validate_loadable(build_definitions(None))


def test_only_what_a_build_sees_of_a_table_is_nobodys_asset(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    external = {key.to_user_string() for key in graph.external_asset_keys}
    assert external == {f"{schema}/{name}" for schema, name, _ in SEEN_BY_THE_BUILD}


def test_every_table_of_ours_is_an_asset(definitions: dg.Definitions) -> None:
    keys = {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()}
    assert {f"{table.schema}/{table.name}" for table in TABLES} <= keys


def test_every_source_is_an_asset(definitions: dg.Definitions, workspace: Workspace) -> None:
    keys = {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()}
    assert {f"sources/{source.name}" for source in workspace.settings.sources} <= keys


def test_every_asset_says_what_it_is(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.group_name != "default", key
        assert node.kinds, key
        assert node.owners, key
        assert node.description, key


def test_every_table_shows_its_columns(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        if key.path[0] == "sources":
            continue
        columns = graph.get(key).metadata["dagster/column_schema"].columns
        assert columns, key
        for column in columns:
            assert column.description, f"{key.to_user_string()}.{column.name}"


def test_every_model_and_column_of_dbt_is_described() -> None:
    nodes = [*manifest()["nodes"].values(), *manifest()["sources"].values()]
    for node in nodes:
        if node["resource_type"] not in ("model", "source"):
            continue
        assert node["description"], node["name"]
        assert node["columns"], node["name"]
        for name, column in node["columns"].items():
            assert column["description"], f"{node['name']}.{name}"


def test_every_test_of_several_models_says_what_it_checks(definitions: dg.Definitions) -> None:
    described = {
        spec.name: spec.description
        for asset in definitions.assets or ()
        if isinstance(asset, dg.AssetsDefinition)
        for spec in asset.check_specs
    }
    for node in manifest()["nodes"].values():
        if node["resource_type"] == "test" and "test_metadata" not in node:
            assert described[node["name"]], node["name"]


def test_marts_have_an_enforced_contract() -> None:
    for node in manifest()["nodes"].values():
        if node["resource_type"] == "model" and node["schema"] == "marts":
            assert node["config"]["contract"]["enforced"], node["name"]


def test_every_key_of_a_model_is_one_that_its_build_keeps() -> None:
    """Without a contract dbt passes over constraints; our materializations do not."""
    stated = [
        node
        for node in manifest()["nodes"].values()
        if node["resource_type"] == "model" and not node["config"]["contract"]["enforced"]
    ]
    assert any(node["constraints"] for node in stated)
    for node in stated:
        of_columns = [one for column in node["columns"].values() for one in column["constraints"]]
        assert {one["type"] for one in of_columns} <= {"not_null"}, node["name"]
        assert {one["type"] for one in node["constraints"]} <= {"primary_key", "unique"}
        materialized = node["config"]["materialized"]
        if node["constraints"]:
            assert materialized in {"table", "append_only"}, node["name"]
        if of_columns:
            assert materialized in {"table", "append_only", "rollup"}, node["name"]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.fullname)
def test_dbt_knows_the_columns_of_our_tables(table: Table) -> None:
    for source in manifest()["sources"].values():
        if (source["schema"], source["name"]) == (table.schema, table.name):
            assert set(source["columns"]) == {column.name for column in table.columns}
            return
    pytest.fail(f"dbt has no source {table.fullname}")


def test_no_secret_is_in_what_the_ui_shows(definitions: dg.Definitions) -> None:
    from dagster._core.remote_representation.external_data import RepositorySnap

    snapshot = RepositorySnap.from_def(definitions.get_repository_def())
    assert SECRET not in dg.serialize_value(snapshot)


def test_days_and_months_can_be_backfilled(definitions: dg.Definitions) -> None:
    close = definitions.resolve_job_def(jobs.CLOSE).partitions_def
    backfill = definitions.resolve_job_def(jobs.BACKFILL_USAGE).partitions_def
    assert isinstance(close, dg.MonthlyPartitionsDefinition)
    assert isinstance(backfill, dg.DailyPartitionsDefinition)


def test_partitions_reach_to_an_instant_ahead_of_the_clock() -> None:
    """The demo's instant may be ahead of the machine's clock."""
    now, ahead = datetime.now(UTC), datetime.now(UTC) + timedelta(days=400)
    assert usage_days(None, now).has_partition_key(f"{now:%Y-%m-%d}")
    assert not usage_days(None, now).has_partition_key(f"{ahead:%Y-%m-%d}")
    assert usage_days(ahead, now).has_partition_key(f"{ahead:%Y-%m-%d}")
    assert billing_months(None, now).has_partition_key(f"{now:%Y-%m-01}")
    assert not billing_months(None, now).has_partition_key(f"{ahead:%Y-%m-01}")
    assert billing_months(ahead, now).has_partition_key(f"{ahead:%Y-%m-01}")
    past = datetime(2026, 1, 5, tzinfo=UTC)
    assert billing_months(past, now).has_partition_key(f"{now:%Y-%m-01}")


def test_an_invoice_that_waits_is_asked_for_every_day_and_without_answer_every_hour() -> None:
    noon = datetime(2026, 10, 2, 12, tzinfo=UTC)
    instants = (noon, noon + timedelta(hours=1), noon + timedelta(days=1))
    assert [
        len({posting_request("acme", state, instant).run_key for instant in instants})
        for state in ("pending", "sending")
    ] == [2, 3]


def test_every_build_is_one_of_all_models(definitions: dg.Definitions) -> None:
    """A build of some models would leave drafts of two minds to be frozen."""
    models = {
        f"{node['schema']}/{node['name']}"
        for node in manifest()["nodes"].values()
        if node["resource_type"] == "model"
    }
    for name in (jobs.RUN, jobs.BUILD):
        built = {
            key.to_user_string()
            for key in definitions.resolve_job_def(name).asset_layer.selected_asset_keys
        }
        assert models <= built, name


def test_nothing_runs_by_itself_unless_turned_on(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SCHEDULES_VARIABLE, raising=False)
    assert {schedule.default_status.value for schedule in schedules(workspace)} == {"STOPPED"}
    assert {sensor.default_status.value for sensor in sensors(workspace)} == {"STOPPED"}
    monkeypatch.setenv(SCHEDULES_VARIABLE, "on")
    assert {schedule.default_status.value for schedule in schedules(workspace)} == {"RUNNING"}
    assert {sensor.default_status.value for sensor in sensors(workspace)} == {"RUNNING"}


def test_schedules_are_in_utc(workspace: Workspace) -> None:
    assert {schedule.execution_timezone for schedule in schedules(workspace)} == {"UTC"}
