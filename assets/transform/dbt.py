"""The dbt project's models and tests, as assets and checks."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from assets.ingestion.raw_tables import open_rows
from assets.table_specs import DATA_TEAM, FINANCE_TEAM, manifest
from assets.transform.builds import finish_build, forget_rollups, start_models
from assets.transform.dagster_dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtProject,
    dbt_assets,
)
from assets.transform.parameters import BUILD_LOCK, BUILD_WAIT_SECONDS
from assets.transform.sums import sums_of
from connectors.dbt import PROJECT_DIRECTORY, prepare_manifest, run_project
from connectors.dbt_process import NodeResult
from connectors.warehouse import Warehouse

UNIQUE_ID = "dagster_dbt/unique_id"
TABLE_NAME = "dagster/table_name"
QUARANTINED = dg.AssetKey(["marts", "fct_quarantined_records"])
# How many names of failed nodes a message holds; all of them are checks of the run.
FAILURES_SHOWN = 5
# What a build runs: unit tests are for CI, and some tests read all of history.
BUILD = ("build", "--exclude-resource-type", "unit_test")
ON_DEMAND = "on_demand"
NOT_IN_A_BUILD = ("--exclude", f"tag:{ON_DEMAND}")
ROLLUP_CHECKS = (
    "usage_rollups_equal_the_journal",
    "usage_rollups_equal_the_whole_journal",
    "usage_by_metadata_adds_up",
    "usage_by_metadata_adds_up_everywhere",
)
OWNERS = {"rating": FINANCE_TEAM, "marts": FINANCE_TEAM}


class DbtBuilds(dg.ConfigurableResource):
    """Where dbt writes what it compiles and logs."""

    target_directory: str

    def run(self, arguments: list[str], target: str = "warehouse") -> Iterator[NodeResult]:
        """Run dbt and yield the result of each model and test."""
        yield from run_project(arguments, Path(self.target_directory), target)


class SchemaTranslator(DagsterDbtTranslator):
    """Names a dbt node by its schema, and groups it by its chapter of the story."""

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """Return the node's spec, keyed ``[schema, name]``."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = self.get_resource_props(manifest, unique_id)
        key = dg.AssetKey([node["schema"], node["name"]])
        if node["resource_type"] == "source":
            return spec.replace_attributes(key=key)
        chapter = node["fqn"][1]
        return spec.replace_attributes(
            key=key,
            group_name=chapter,
            owners=[OWNERS.get(chapter, DATA_TEAM)],
            # Without the database: one manifest serves many.
            metadata={**spec.metadata, TABLE_NAME: f"{node['schema']}.{node['alias']}"},
        )

    def get_asset_check_spec(
        self,
        asset_spec: dg.AssetSpec,
        manifest: Mapping[str, Any],
        unique_id: str,
        project: DbtProject | None,
    ) -> dg.AssetCheckSpec | None:
        """Return a test's check with the test's own description."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        described = manifest["nodes"][unique_id].get("description")
        return spec._replace(description=described.strip()) if spec and described else spec


def dbt_models() -> dg.AssetsDefinition:
    """Return the assets of the whole project, built in one invocation of dbt."""

    @dbt_assets(
        manifest=prepare_manifest(),
        name="dbt_models",
        project=DbtProject(project_dir=PROJECT_DIRECTORY),
        dagster_dbt_translator=SchemaTranslator(
            settings=DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True)
        ),
    )
    def built(
        context: dg.AssetExecutionContext, warehouse: Warehouse, dbt: DbtBuilds
    ) -> Iterator[Any]:
        """Build the selected models and run their data tests; unit tests run in CI.

        A build of all models is recorded as finished, so that the next one knows what changed.
        """
        nodes = Nodes(context)
        with warehouse.locked(BUILD_LOCK, BUILD_WAIT_SECONDS):
            build_number = None
            if nodes.are_models:
                with warehouse.begin() as connection:
                    now, are_all = datetime.now(UTC), nodes.are_all_models
                    build_number = start_models(connection, now, are_all=are_all)
            failures = []
            for result in dbt.run(nodes.arguments()):
                yield from nodes.events(result, warehouse)
                if not result.is_successful and result.status != "skipped":
                    failures.append(result)
            if any(failure.name in ROLLUP_CHECKS for failure in failures):
                with warehouse.begin() as connection:
                    forget_rollups(connection)
            if failures:
                raise dg.Failure(failure_message(failures))
            if nodes.are_all_models and build_number is not None:
                with warehouse.begin() as connection:
                    finish_build(connection, build_number, datetime.now(UTC))

    return built


def on_demand(models: dg.AssetsDefinition) -> list[dg.AssetCheckKey]:
    """Return the tests that are no part of a build: they read all of history."""
    tests = manifest()["nodes"]
    return [
        spec.key
        for spec in models.check_specs
        if ON_DEMAND in tests[spec.metadata[UNIQUE_ID]]["tags"]
    ]


class Nodes:
    """The dbt nodes that a step is to build, and what they are in Dagster."""

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._context = context
        specs = context.assets_def.specs_by_key
        self._assets = {
            spec.metadata[UNIQUE_ID]: key
            for key, spec in specs.items()
            if key in context.selected_asset_keys
        }
        self._checks = {
            spec.metadata[UNIQUE_ID]: spec
            for spec in context.assets_def.check_specs
            if spec.key in context.selected_asset_check_keys
        }
        self._metadata = {key: dict(spec.metadata) for key, spec in specs.items()}

    @property
    def are_all_models(self) -> bool:
        """Whether no model is left out."""
        return len(self._assets) == len(self._metadata)

    @property
    def are_models(self) -> bool:
        """Whether any model is built, and not only tests are run."""
        return bool(self._assets)

    def arguments(self) -> list[str]:
        """Return the arguments for dbt: everything, or what is selected by name.

        A model of the journal comes with all before it: the first of them decides what is new.
        """
        if self.are_all_models:
            return [*BUILD, *NOT_IN_A_BUILD]
        names = [unique_id.split(".")[2] for unique_id in (*self._assets, *self._checks)]
        names = [f"+{name}" if name.startswith("jnl_") else name for name in names]
        return [*BUILD, "--indirect-selection", "empty", "--select", *names]

    def events(self, result: NodeResult, warehouse: Warehouse) -> Iterator[Any]:
        """Yield what a node's result means to Dagster."""
        if result.unique_id in self._assets and result.is_successful:
            key = self._assets[result.unique_id]
            yield dg.MaterializeResult(
                asset_key=key, metadata=self._materialised(key, result, warehouse)
            )
        elif result.unique_id in self._checks and result.status != "skipped":
            spec = self._checks[result.unique_id]
            yield dg.AssetCheckResult(
                asset_key=spec.asset_key,
                check_name=spec.name,
                passed=result.status == "pass",
                severity=(
                    dg.AssetCheckSeverity.WARN
                    if result.status == "warn"
                    else dg.AssetCheckSeverity.ERROR
                ),
                metadata={"failing_rows": result.failure_count, "seconds": result.seconds},
                description=None if result.status == "pass" else result.message,
            )
        elif not result.is_successful:
            self._context.log.error(f"{result.unique_id}: {result.status}: {result.message}")

    def _materialised(
        self, key: dg.AssetKey, result: NodeResult, warehouse: Warehouse
    ) -> dict[str, Any]:
        metadata: dict[str, Any] = {"seconds": result.seconds}
        if result.rows_affected is not None:
            # The journal is added to; all other tables are rebuilt whole.
            name = "rows_added" if key.path[0] == "journal" else "dagster/row_count"
            metadata[name] = result.rows_affected
        if key == QUARANTINED:
            # With what the journal has refused in this very build.
            metadata |= open_rows(warehouse)
        return {**metadata, **sums_of(warehouse, tuple(key.path))}


def failure_message(failures: list[NodeResult]) -> str:
    """Return what failed in a build: names and reasons, a few of them."""
    shown = [
        f"{failure.name}: {failure.message.strip() or failure.status}"
        for failure in failures[:FAILURES_SHOWN]
    ]
    if len(failures) > len(shown):
        shown.append(f"and {len(failures) - len(shown)} more")
    return "\n".join([f"{len(failures)} dbt models or tests failed", *shown])
