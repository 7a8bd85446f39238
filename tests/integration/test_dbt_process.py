"""dbt's process: what it does ends with whoever asked for it, and never runs twice at once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from connectors.database import relation_exists
from connectors.dbt import run_project, start_dbt
from connectors.dbt_process import DbtCommand, DbtDefect, DbtError, DbtProcess
from connectors.warehouse import Warehouse
from orchestration.failures import speaks_to_user

pytestmark = pytest.mark.usefixtures("database_environment")
RUN = ["run", "--select", "int_currency_rates", "stg_raw__cost_lines"]
WAITING = """
select pid from pg_stat_activity
where
    datname = current_database()
    and application_name = 'dbt'
    and wait_event_type = 'Lock'
"""


@contextmanager
def kept_waiting(warehouse: Warehouse) -> Iterator[None]:
    """Hold a table that a model of the run reads."""
    with warehouse.begin() as connection:
        connection.execute(text("lock table catalog.currency_rates in access exclusive mode"))
        yield


def wait_for(warehouse: Warehouse, waiting: str = WAITING, *, is_waiting: bool) -> None:
    """Return once a statement waits, or none does any more; fails after a minute."""
    for _ in range(1200):
        with warehouse.begin() as connection:
            if bool(connection.execute(text(waiting)).all()) is is_waiting:
                return
        time.sleep(0.05)
    pytest.fail(f"statements that wait: still {'none' if is_waiting else 'some'}")


def is_empty(warehouse: Warehouse) -> bool:
    """Return whether the run has made nothing."""
    with warehouse.begin() as connection:
        return not relation_exists(connection, "staging.stg_raw__cost_lines")


def test_a_run_ends_with_the_process_that_asked_for_it(warehouse, tmp_path):
    """However that ends: the next run finds no statement that still writes."""
    script = (
        "from pathlib import Path; from connectors.dbt import run_project;"
        f"list(run_project({RUN}, Path({str(tmp_path)!r})))"
    )
    with kept_waiting(warehouse):
        asking = subprocess.Popen([sys.executable, "-c", script])
        wait_for(warehouse, is_waiting=True)
        asking.kill()
        asking.wait()
        wait_for(warehouse, is_waiting=False)
    assert all(result.is_successful for result in run_project(RUN, tmp_path))


def test_a_run_that_nobody_listens_to_any_more_is_ended(warehouse, tmp_path):
    with kept_waiting(warehouse):
        results = run_project([*RUN, "--threads", "2"], tmp_path)
        assert next(results).name == "stg_raw__cost_lines"
        wait_for(warehouse, is_waiting=True)
        results.close()
        wait_for(warehouse, is_waiting=False)
    assert all(result.is_successful for result in run_project(RUN, tmp_path))


def test_a_process_that_is_killed_is_told_of_and_replaced(warehouse, tmp_path):
    with kept_waiting(warehouse):
        results = run_project([*RUN, "--threads", "2"], tmp_path)
        assert next(results).name == "stg_raw__cost_lines"
        os.kill(start_dbt().pid, signal.SIGKILL)
        with pytest.raises(DbtError, match="dbt's process has ended: signal 9"):
            list(results)
    assert all(result.is_successful for result in run_project(RUN, tmp_path))


def test_a_run_waits_for_one_that_still_ends(warehouse, tmp_path):
    """Whoever asked for it may be gone, and its lock with it."""
    blocked = (
        "select 1 from pg_locks inner join pg_database on pg_locks.database = pg_database.oid"
        " where datname = current_database() and locktype = 'advisory' and not granted"
    )
    with ThreadPoolExecutor() as threads:
        with warehouse.locked("a run of dbt, warehouse"):
            results = threads.submit(lambda: list(run_project(RUN, tmp_path)))
            wait_for(warehouse, blocked, is_waiting=True)
            assert is_empty(warehouse)
        assert all(result.is_successful for result in results.result())


def test_what_dbt_cannot_do_is_raised(tmp_path):
    with pytest.raises(DbtError, match="no-such-option"):
        list(run_project(["run", "--no-such-option"], tmp_path))


def test_a_run_is_not_begun_while_results_of_another_are_not_read(tmp_path):
    """It would take them for its own."""
    first = run_project(RUN, tmp_path)
    next(first)
    with pytest.raises(RuntimeError, match="another run"):
        next(run_project(RUN, tmp_path))
    assert len(list(first)) == 1


def test_what_nobody_has_foreseen_is_a_defect_and_says_where(tmp_path):
    with pytest.raises(DbtDefect, match="IndexError") as raised:
        list(start_dbt().run(DbtCommand((), tmp_path, "warehouse", dict(os.environ))))
    assert "dbt_invocations.py" in str(raised.value.__cause__)
    assert not speaks_to_user(raised.value)
    assert all(result.is_successful for result in run_project(RUN, tmp_path))


def test_a_process_that_is_not_ready_yet_ends_at_once(tmp_path):
    """Whoever reads the output of a command need not wait for one that it has started too many."""
    process = DbtProcess()
    assert process.close() == "exit code 0"
    with pytest.raises(DbtError, match="has ended"):
        list(process.run(DbtCommand(("ls",), tmp_path, "warehouse", {})))
