"""dbt's connections outlive a node, and what a node leaves behind does not."""

from pathlib import Path

import pytest
from sqlalchemy import text

from connectors.dbt import run_project
from connectors.warehouse import Warehouse

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
    results = list(run_project(tests, tmp_path))
    assert len(results) > 8
    assert all("does not exist" in result.message for result in results)
