"""Runs of dbt: connections outlive a node, what it leaves behind does not, comments stay."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from connectors.dbt import run_project
from connectors.warehouse import Warehouse
from tests.pipeline import Pipeline

STAGING = ["run", "--select", "staging"]


def sessions(warehouse: Warehouse) -> int:
    """Return how many sessions this database has seen."""
    with warehouse.begin() as connection:
        found = connection.execute(
            text("select sessions from pg_stat_database where datname = current_database()")
        )
        return int(found.scalar_one())


@pytest.mark.usefixtures("database_environment")
def test_a_thread_logs_in_once(warehouse: Warehouse, tmp_path: Path) -> None:
    before = sessions(warehouse)
    results = list(run_project(STAGING, tmp_path))
    assert all(result.is_successful for result in results)
    # Four threads, and as many that list the schemas.
    assert len(results) > 8 >= sessions(warehouse) - before


@pytest.mark.usefixtures("database_environment")
def test_a_node_that_fails_leaves_nothing_to_the_next(tmp_path: Path) -> None:
    """In an empty warehouse nothing is there to be tested: each finds that out for itself."""
    tests = ["test", "--select", "test_type:singular", "--threads", "1"]
    failed = [result for result in run_project(tests, tmp_path) if not result.is_successful]
    assert len(failed) > 8
    assert all("does not exist" in result.message for result in failed)


def test_every_unit_test_of_the_models_passes(pipeline: Pipeline, tmp_path: Path) -> None:
    """dbt asks the warehouse for the columns of what a model reads: they have to be there."""
    pipeline.build(datetime(2026, 9, 1, tzinfo=UTC), "path:models")
    results = list(run_project(["test", "--select", "test_type:unit"], tmp_path / "unit"))
    assert [result for result in results if not result.is_successful] == []
    assert results


@pytest.mark.usefixtures("database_environment")
def test_relations_and_columns_keep_their_descriptions(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    """As comments, where BI tools read them; made anew with each relation."""
    for _ in range(2):
        assert all(result.is_successful for result in run_project(STAGING, tmp_path))
    undescribed = text(
        """
        select relations.relname, columns.attname
        from pg_class as relations
        left join pg_attribute as columns
            on relations.oid = columns.attrelid and columns.attnum > 0
        where
            relations.relnamespace = 'staging'::regnamespace
            and relations.relkind = 'v'
            and (
                obj_description(relations.oid, 'pg_class') is null
                or col_description(relations.oid, columns.attnum) is null
            )
        """
    )
    with warehouse.begin() as connection:
        assert connection.execute(undescribed).all() == []
        assert connection.execute(
            text("select obj_description('staging.stg_catalog__customers'::regclass, 'pg_class')")
        ).scalar()
