"""Runs of dbt: connections outlive a node, what it leaves behind does not, comments stay."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from connectors.dbt import run_project
from connectors.warehouse import Warehouse
from models.tables import ops
from tests.pipeline import Pipeline

STAGING = ["run", "--select", "staging"]
PARAMETERS = {
    "is_current": True,
    "build_number": 1,
    "catalog_version": "v",
    "as_of": datetime(2026, 9, 1, tzinfo=UTC),
    "journal_watermark": 1,
    "invoices_before": 1,
    "late_usage": "adjust",
    "rollup_definition": "",
}


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
    assert [result for result in results if not result.is_successful] == []
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
@pytest.mark.parametrize(
    ("model", "source", "row"),
    [
        ("int_currency_rates", "currency_rates", "'v', 'USD', '2026-01-01', 1, 'USD'"),
        ("dim_plans", "plans", "'v', 'pro', 'Pro', 'USD', 2, 'month'"),
    ],
    ids=["without_a_contract", "with_a_contract"],
)
def test_a_table_that_breaks_its_key_is_never_seen(
    warehouse: Warehouse, tmp_path: Path, model: str, source: str, row: str
) -> None:
    """The build stops there and says what is twice; what was there before stays."""
    twice = text(f"insert into catalog.{source} values ({row})")
    with warehouse.begin() as connection:
        connection.execute(insert(ops.parameters), PARAMETERS)
        connection.execute(twice)
    run = ["run", "--select", f"+{model}"]
    assert all(result.is_successful for result in run_project(run, tmp_path))
    with warehouse.begin() as connection:
        connection.execute(text(f"alter table catalog.{source} drop constraint pk_{source}"))
        connection.execute(twice)
    [failed] = [result for result in run_project(run, tmp_path) if not result.is_successful]
    assert failed.name == model
    assert "is duplicated" in failed.message
    schema = "marts" if model.startswith("dim_") else "rating"
    with warehouse.begin() as connection:
        assert connection.execute(text(f"select count(*) from {schema}.{model}")).scalar() == 1


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
