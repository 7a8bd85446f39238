"""What starts a run when something has happened."""

import json
import urllib.request
from datetime import UTC, datetime

import dagster as dg

from assets.delivery.posting import pending_postings
from assets.partitions import Clock
from assets.transform.builds import is_up_to_date, last_build_number
from assets.transform.parameters import current_inputs
from connectors.warehouse import Warehouse
from models.workspace import Workspace
from orchestration import jobs
from orchestration.schedules import are_on

SECONDS_BETWEEN_LOOKS = 30
WEBHOOK_TIMEOUT_SECONDS = 10


def sensors(workspace: Workspace | None) -> list[dg.SensorDefinition]:
    """Return the sensors of a workspace."""
    status = dg.DefaultSensorStatus.RUNNING if are_on() else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        job_name=jobs.POST_INVOICE,
        minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
        default_status=status,
        description="Starts the posting of each approved invoice.",
    )
    def approved_invoices(
        warehouse: Warehouse,
    ) -> list[dg.RunRequest] | dg.SkipReason:
        """Request one run per invoice in the outbox; one that waits for a person is left alone."""
        if workspace is None or workspace.settings.stripe is None:
            return dg.SkipReason("Stripe is not configured.")
        now = datetime.now(UTC)
        requests = [
            posting_request(posting.invoice_id, posting.state, now)
            for posting in pending_postings(warehouse)
            if posting.state != "failed"
        ]
        return requests or dg.SkipReason("No approved invoice waits to be posted.")

    found: list[dg.SensorDefinition] = [approved_invoices]
    if workspace is not None:
        found.append(stale_build(workspace, status))
    webhook = None if workspace is None else workspace.settings.alerts.webhook
    if webhook is not None:
        found.append(failure_alert(webhook.get_secret_value()))
    return found


def stale_build(workspace: Workspace, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """Return the sensor that builds once something has changed: a delivery, the catalog, the hour.

    So a pull that brought nothing starts no build, and leaves no skipped models in the UI.
    """

    @dg.sensor(
        job_name=jobs.BUILD,
        minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
        default_status=status,
        description="Starts a build where what the models read has changed since the last one.",
    )
    def changed_inputs(warehouse: Warehouse, clock: Clock) -> dg.RunRequest | dg.SkipReason:
        """Request one build for each state of the inputs."""
        as_of = clock.instant()
        with warehouse.begin() as connection:
            inputs = current_inputs(connection, workspace, as_of)
            if is_up_to_date(connection, inputs):
                return dg.SkipReason("Nothing has changed since the last build.")
            tried = last_build_number(connection)
        # With the last build in the key, a build that failed is tried again, but not at every look.
        return dg.RunRequest(run_key=f"{inputs.fingerprint}/{tried}")

    return changed_inputs


def posting_request(invoice_id: str, state: str, now: datetime) -> dg.RunRequest:
    """Return the request for posting an invoice: once a day, and once an hour while unanswered.

    One that still waits on the next day has had a run that ended before it took up anything.
    """
    tried_at = f"{now:%Y-%m-%d}" if state == "pending" else f"{now:%Y-%m-%dT%H}"
    return dg.RunRequest(
        run_key=f"{invoice_id}/{tried_at}", run_config=posting_config([invoice_id])
    )


def posting_config(invoice_ids: list[str]) -> dict[str, object]:
    """Return the configuration of a run that posts invoices."""
    return {"ops": {"post_to_stripe": {"config": {"invoices": invoice_ids}}}}


def failure_alert(webhook: str) -> dg.SensorDefinition:
    """Return the sensor that tells a webhook of every failed run."""

    @dg.run_failure_sensor(
        name="failure_alert",
        default_status=dg.DefaultSensorStatus.RUNNING,
        monitor_all_code_locations=False,
        description="Tells the webhook of meterhouse.yml of every failed run.",
    )
    def alert(context: dg.RunFailureSensorContext) -> None:
        """Post job, run and the first line of what went wrong; never rows, never secrets."""
        told = {
            "text": f"Meterhouse: the run of {context.dagster_run.job_name} failed",
            "job": context.dagster_run.job_name,
            "run_id": context.dagster_run.run_id,
            "failed_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "steps": [
                event.step_key for event in context.get_step_failure_events() if event.step_key
            ],
        }
        request = urllib.request.Request(  # noqa: S310 - the settings allow http and https only.
            webhook,
            data=json.dumps(told).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=WEBHOOK_TIMEOUT_SECONDS):  # noqa: S310
            context.log.info("The webhook was told.")

    return alert
