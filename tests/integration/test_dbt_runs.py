"""Runs of dbt: connections outlive a node, what it leaves behind does not, comments stay."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text

from connectors.dbt import run_project
from connectors.warehouse import Warehouse
from models.tables import catalog, ops
from tests.pipeline import Pipeline

# What is made of our own tables alone.
MODELS = (
    "stg_raw__cost_lines dim_plans dim_charges dim_customers int_list_prices int_currency_rates"
)
RUN = ["run", "--select", *MODELS.split(), "+int_charge_parts"]
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
PLAN = {"plan_id": "pro", "name": "Pro", "currency": "USD", "minor_units": 2, "interval": "month"}


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
    results = list(run_project(RUN, tmp_path))
    assert [result for result in results if not result.is_successful] == []
    # Four threads, as many that list the schemas, and the lock.
    assert len(results) > 9 >= sessions(warehouse) - before


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
    ("model", "source", "good", "broken", "says"),
    [
        (
            "rating.int_currency_rates",
            "currency_rates",
            {"currency": "USD", "valid_from": "2026-01-01"},
            {"currency": "USD", "valid_from": "2026-01-01"},
            "several rows have the same key (currency, valid_from)",
        ),
        (
            "rating.int_currency_rates",
            "currency_rates",
            {"currency": "USD", "valid_from": None},
            {"currency": "USD", "valid_from": None},
            "several rows have the same key (currency, valid_from)",
        ),
        (
            "rating.int_contract_ends",
            "contracts",
            {"contract_id": "acme", "end_date": "2026-01-01"},
            {"contract_id": None, "end_date": "2026-01-01"},
            "a part of the key (contract_id) is unknown",
        ),
        ("marts.dim_plans", "plans", PLAN, PLAN, "is duplicated"),
    ],
    ids=["twice", "unknown_twice", "unknown", "twice_with_a_contract"],
)
def test_a_table_that_breaks_its_key_is_never_seen(
    warehouse: Warehouse,
    tmp_path: Path,
    model: str,
    source: str,
    good: dict[str, Any],
    broken: dict[str, Any],
    says: str,
) -> None:
    """The build stops there and says what is wrong; what was there before stays."""
    table = catalog.metadata.tables[f"catalog.{source}"]
    with warehouse.begin() as connection:
        connection.execute(insert(ops.parameters), PARAMETERS)
        connection.execute(text(f"alter table {table} drop constraint pk_{source}"))
        for column in table.columns:
            connection.execute(text(f"alter table {table} alter {column.name} drop not null"))
        connection.execute(insert(table), {"catalog_version": "v", **good})
    name = model.partition(".")[2]
    run = ["run", "--select", f"+{name}"]
    assert [result for result in run_project(run, tmp_path) if not result.is_successful] == []
    with warehouse.begin() as connection:
        connection.execute(insert(table), {"catalog_version": "v", **broken})
    [failed] = [result for result in run_project(run, tmp_path) if not result.is_successful]
    assert failed.name == name
    assert says in failed.message
    with warehouse.begin() as connection:
        assert connection.execute(text(f"select count(*) from {model}")).scalar() == 1


@pytest.mark.usefixtures("database_environment")
def test_relations_and_columns_keep_their_descriptions(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    """As comments, where BI tools read them; made anew with each relation."""
    for _ in range(2):
        assert all(result.is_successful for result in run_project(RUN, tmp_path))
    undescribed = text(
        """
        select relations.relname, columns.attname
        from pg_class as relations
        left join pg_attribute as columns
            on relations.oid = columns.attrelid and columns.attnum > 0
        where
            relations.relnamespace = any(
                array['staging', 'rating', 'marts']::regnamespace[]
            )
            and relations.relkind in ('v', 'r')
            and (
                obj_description(relations.oid, 'pg_class') is null
                or col_description(relations.oid, columns.attnum) is null
            )
        """
    )
    with warehouse.begin() as connection:
        assert connection.execute(undescribed).all() == []
        assert connection.execute(
            text("select obj_description('marts.dim_customers'::regclass, 'pg_class')")
        ).scalar()
