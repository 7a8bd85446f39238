"""Jobs, sensors and schedules, on a Dagster instance with a warehouse of its own."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import text

from assets.partitions import AS_OF_TAG
from connectors.warehouse import Warehouse
from models.workspace import Workspace, load_workspace
from orchestration.cli.main import INTERRUPTED
from orchestration.environment import activate
from orchestration.running import JobRunner, RunOutcome
from orchestration.schedules import months_to_close
from sandbox.stripe.server import StripeSandbox

AS_OF = "2026-03-05T00:00:00+00:00"
SETTINGS = """
warehouse: {{url: "{url}"}}
sources:
  - {{name: logs, type: file, path: "usage/*.jsonl"}}
billing: {{grace: 1d}}
stripe: {{api_key: sk_test_sandbox, api_base: "{stripe}"}}
alerts: {{webhook: "http://127.0.0.1:{webhook}/alert"}}
"""
CATALOG = """
dimensions: [{id: calls, name: Calls, unit: call, aggregation: sum}]
plans:
  - id: payg
    currency: USD
    interval: month
    charges: [{id: calls, dimension: calls, price: {model: per_unit, unit_amount: "0.10"}}]
customers:
  - {id: acme, name: Acme, contracts: [{id: acme-1, plan: payg, start: 2026-01-01}]}
"""


class Webhook:
    """A server that keeps what it is told."""

    def __init__(self) -> None:
        told: list[dict[str, object]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.told = told
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    webhook = Webhook()
    yield webhook
    webhook.server.shutdown()
    webhook.server.server_close()


@pytest.fixture
def workspace(
    tmp_path: Path, empty_database: str, sandbox: StripeSandbox, webhook: Webhook
) -> Iterator[Workspace]:
    before = dict(os.environ)
    os.environ.pop("METERHOUSE_AS_OF", None)
    for folder in ("catalog", "usage"):
        (tmp_path / folder).mkdir()
    (tmp_path / "meterhouse.yml").write_text(
        SETTINGS.format(
            url=empty_database, stripe=sandbox.url, webhook=webhook.server.server_address[1]
        )
    )
    (tmp_path / "catalog" / "all.yml").write_text(CATALOG)
    workspace = load_workspace(tmp_path)
    activate(workspace)
    yield workspace
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def jobs(workspace: Workspace) -> JobRunner:
    return JobRunner(workspace)


@pytest.fixture
def own_warehouse(workspace: Workspace) -> Iterator[Warehouse]:
    warehouse = Warehouse(url=workspace.settings.warehouse.url.get_secret_value())
    yield warehouse
    warehouse.close()


def deliver(workspace: Workspace, name: str, *days: str) -> None:
    lines = [
        json.dumps(
            {
                "id": f"{name}-{number}",
                "timestamp": f"{day}T12:00:00Z",
                "tenant_id": "acme",
                "dimension_id": "calls",
                "value": "100",
            }
        )
        for number, day in enumerate(days)
    ]
    (workspace.directory / "usage" / f"{name}.jsonl").write_text("\n".join(lines))


def run(jobs: JobRunner, job: str, **options: object) -> RunOutcome:
    return jobs.run(job, tags={AS_OF_TAG: AS_OF}, **options)  # type: ignore[arg-type]


def scalar(warehouse: Warehouse, query: str) -> object:
    with warehouse.begin() as connection:
        return connection.execute(text(query)).scalar()


def waiting(outcome: RunOutcome, asset: str) -> list[tuple[str, str, int]]:
    """Return what the page of an asset shows of quarantine: source, reason and rows."""
    found = outcome.metadata[asset]["open_rows_by_reason"].records
    return [(row.data["source"], row.data["reason"], row.data["rows"]) for row in found]


def test_from_the_main_job_to_stripe(
    jobs: JobRunner, workspace: Workspace, own_warehouse: Warehouse
) -> None:
    deliver(workspace, "a", "2026-01-05", "2026-02-05", "2026-02-06")
    file = workspace.directory / "usage" / "a.jsonl"
    first = file.read_text().partition("\n")[0]
    file.write_text(f"{file.read_text()}\n{{broken\n{first.replace('100', '7')}\n")
    outcome = run(jobs, "run")
    assert outcome.is_successful, outcome.problems
    assert not outcome.failed_checks
    unreadable, refused = ("logs", "unreadable_row", 1), ("logs", "conflicting_id", 1)
    assert waiting(outcome, "sources/logs") == [unreadable]
    assert waiting(outcome, "raw/quarantine") == [unreadable]
    assert waiting(outcome, "marts/fct_quarantined_records") == [unreadable, refused]
    assert outcome.metadata["journal/jnl_usage_entries"]["rows_added"] == 3
    assert outcome.metadata["rating/int_invoices"]["total_USD"] == "30.000"

    idle = run(jobs, "run")
    assert idle.is_successful
    assert "dbt_models" in idle.skipped

    months = months_to_close(own_warehouse, datetime(2026, 3, 5, tzinfo=UTC))
    assert [f"{month}" for month in months] == ["2026-01-01", "2026-02-01"]
    for month in months:
        closed = run(jobs, "close", partition_key=f"{month}")
        assert closed.is_successful, closed.problems
        assert closed.metadata["billing/invoices"]["finalised_count"] == 1
    with dg.DagsterInstance.get() as instance:
        finalised = instance.get_materialized_partitions(dg.AssetKey(["billing", "invoices"]))
    assert finalised == {"2026-01-01", "2026-02-01"}

    approval = {"ops": {"approve_invoices": {"config": {"everything": True}}}}
    assert run(jobs, "approve", run_config=approval).is_successful

    requests = requested(jobs, "approved_invoices")
    assert [request.run_key.partition("/")[0] for request in requests] == [
        "acme-1:2026-01-01",
        "acme-1:2026-02-01",
    ]
    for request in requests:
        posted = jobs.run("post_invoice", run_config=request.run_config)
        assert posted.is_successful, posted.problems
        assert not posted.failed_checks
    assert requested(jobs, "approved_invoices") == []

    synced = jobs.run("sync_payments")
    assert synced.is_successful, synced.problems
    assert not synced.failed_checks
    assert scalar(own_warehouse, "select sum(total) from billing.stripe_invoices") == 30
    assert requested(jobs, "changed_inputs")


def test_a_pull_without_news_writes_nothing_but_the_watermark(
    jobs: JobRunner, workspace: Workspace, own_warehouse: Warehouse
) -> None:
    deliver(workspace, "a", "2026-01-05")
    assert jobs.run("pull").is_successful
    before = rows_written(own_warehouse)
    assert "raw.usage_records" in {table.rpartition("_")[0] for table in before}
    assert jobs.run("pull").is_successful
    after = rows_written(own_warehouse)
    changed = {table for table, count in after.items() if count != before.get(table, 0)}
    assert changed == {"ops.source_states"}


def rows_written(warehouse: Warehouse) -> dict[str, int]:
    """Return how many rows were ever written into each table."""
    query = """
        select schemaname || '.' || relname as name, n_tup_ins + n_tup_upd + n_tup_del as written
        from pg_stat_user_tables
        where n_tup_ins + n_tup_upd + n_tup_del > 0
    """
    with warehouse.begin() as connection:
        return {row.name: row.written for row in connection.execute(text(query))}


def requested(jobs: JobRunner, sensor: str) -> list[dg.RunRequest]:
    """Return what a sensor requests now."""
    definition = jobs.definitions.get_sensor_def(sensor)
    resources = {
        name: jobs.definitions.resources[name]  # type: ignore[index]
        for name in ("warehouse", "clock")
    }
    with dg.build_sensor_context(
        resources=resources, repository_def=jobs.definitions.get_repository_def()
    ) as context:
        return list(definition.evaluate_tick(context).run_requests or [])


def test_runs_of_commands_are_listed_under_their_job(jobs: JobRunner) -> None:
    outcome = jobs.run("sync_payments")
    with dg.DagsterInstance.get() as instance:
        found = instance.get_run_by_id(outcome.run_id)
    assert found is not None
    assert found.status == dg.DagsterRunStatus.SUCCESS
    assert found.tags[".dagster/repository"] == "__repository__@meterhouse"


def test_an_unsound_batch_is_not_journaled(
    jobs: JobRunner, workspace: Workspace, own_warehouse: Warehouse
) -> None:
    deliver(workspace, "a", "2026-01-05")
    assert jobs.run("pull").is_successful
    with own_warehouse.begin() as connection:
        connection.execute(text("alter table raw.usage_records disable trigger user"))
        connection.execute(text("grant delete on raw.usage_records to current_user"))
        connection.execute(text("delete from raw.usage_records"))
    outcome = run(jobs, "build")
    assert not outcome.is_successful
    assert "new_usage_is_sound" in {check.name for check in outcome.failed_checks}
    assert scalar(own_warehouse, "select to_regclass('journal.jnl_usage_entries')") is None
    assert scalar(own_warehouse, "select count(*) from ops.builds") == 0


def test_what_a_build_has_no_time_for_is_verified_on_demand(
    jobs: JobRunner, workspace: Workspace, own_warehouse: Warehouse
) -> None:
    deliver(workspace, "a", "2026-01-05")
    built = run(jobs, "run")
    assert built.is_successful, built.problems
    verified = jobs.run("verify")
    assert verified.is_successful, verified.problems
    assert not verified.failed_checks
    with own_warehouse.begin() as connection:
        connection.execute(text("update marts.fct_usage_daily set quantity_sum = quantity_sum + 1"))
    differing = jobs.run("verify")
    assert not differing.is_successful
    assert [check.name for check in differing.failed_checks] == [
        "usage_rollups_equal_the_whole_journal"
    ]
    # Only part of the project was looked at: that is no build.
    assert scalar(own_warehouse, "select count(*) from ops.builds") == 1


def test_a_day_can_be_pulled_again(jobs: JobRunner, workspace: Workspace) -> None:
    deliver(workspace, "a", "2026-01-05")
    first = jobs.run("backfill_usage", partition_key="2026-01-05")
    assert first.is_successful, first.problems
    assert first.metadata["sources/usage_days"]["landed_count"] == 1
    again = jobs.run("backfill_usage", partition_key="2026-01-05")
    assert again.metadata["sources/usage_days"]["landed_count"] == 0


def test_a_failed_step_is_told_in_its_own_words(jobs: JobRunner, workspace: Workspace) -> None:
    outcome = run(jobs, "close", partition_key="2026-01-01")
    assert not outcome.is_successful
    (problem,) = outcome.problems
    assert "meterhouse run" in problem.message
    assert not problem.is_defect
    assert outcome.log_file is not None
    assert outcome.log_file.is_relative_to(workspace.state_directory)


def test_a_failed_run_is_told_to_the_webhook(jobs: JobRunner, webhook: Webhook) -> None:
    outcome = run(jobs, "close", partition_key="2026-01-01")
    alert = jobs.definitions.get_sensor_def("failure_alert")
    with dg.DagsterInstance.get() as instance:
        failed = instance.get_run_by_id(outcome.run_id)
        assert failed is not None
        (record,) = instance.fetch_run_status_changes(
            dg.DagsterEventType.RUN_FAILURE, limit=1
        ).records
        context = dg.build_run_status_sensor_context(
            sensor_name="failure_alert",
            dagster_event=record.event_log_entry.dagster_event,
            dagster_instance=instance,
            dagster_run=failed,
        ).for_run_failure()
        alert(context)
    (told,) = webhook.told
    assert told["job"] == "close"
    assert told["run_id"] == outcome.run_id
    assert "sk_test_sandbox" not in json.dumps(told)


def test_a_run_that_is_interrupted_says_so_and_leaves_nothing_running(
    workspace: Workspace, own_warehouse: Warehouse
) -> None:
    deliver(workspace, "a", "2026-01-05")
    # Where the tests run in the background of a shell, they inherit that Ctrl-C is ignored.
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        f"sys.argv[1:] = ['-w', {str(workspace.directory)!r}, 'run', '--as-of', {AS_OF!r}];"
        "from orchestration.cli.main import main; main()"
    )
    models_at_work = (
        "select count(*) from pg_stat_activity"
        " where datname = current_database() and application_name = 'dbt'"
    )
    with own_warehouse.begin() as connection:
        # No other step reads it.
        connection.execute(text("lock table billing.stripe_customers in access exclusive mode"))
        command = subprocess.Popen(
            [sys.executable, "-c", program],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        while not scalar(own_warehouse, f"{models_at_work} and wait_event_type = 'Lock'"):
            assert command.poll() is None
            time.sleep(0.05)
        # What Ctrl-C does: the signal goes to the whole process group.
        os.killpg(command.pid, signal.SIGINT)
        _, said = command.communicate()
        while scalar(own_warehouse, models_at_work):
            time.sleep(0.05)
    assert command.returncode == INTERRUPTED
    assert said.endswith("Interrupted.\n")
    assert "Traceback" not in said
