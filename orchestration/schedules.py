"""When jobs run by themselves, in UTC."""

import os
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from connectors.warehouse import Warehouse
from models.workspace import Workspace
from orchestration import jobs

# The demo turns everything on; in earnest somebody decides when.
SCHEDULES_VARIABLE = "METERHOUSE_SCHEDULES"
MONTHS_AT_ONCE = 12


def are_on() -> bool:
    """Return whether schedules and sensors run without having been turned on in the UI."""
    return os.environ.get(SCHEDULES_VARIABLE, "").lower() == "on"


def schedules(workspace: Workspace | None) -> list[dg.ScheduleDefinition]:
    """Return the schedules of a workspace; what it has no source of is never pulled."""
    status = dg.DefaultScheduleStatus.RUNNING if are_on() else dg.DefaultScheduleStatus.STOPPED

    @dg.schedule(
        job_name=jobs.CLOSE,
        cron_schedule="30 1 * * *",
        execution_timezone="UTC",
        default_status=status,
        description="Every night, finalise what the gates allow; auto-approve if so configured.",
    )
    def billing_nightly(
        context: dg.ScheduleEvaluationContext, warehouse: Warehouse
    ) -> list[dg.RunRequest] | dg.SkipReason:
        """Request a close of each month in which a period has ended and is not finalised."""
        months = months_to_close(warehouse, context.scheduled_execution_time.astimezone(UTC))
        if not months:
            return dg.SkipReason("No period that has ended is open.")
        return [
            dg.RunRequest(
                run_key=f"{context.scheduled_execution_time:%Y-%m-%d}/{month}",
                partition_key=f"{month}",
            )
            for month in months
        ]

    def every(name: str, job: str, cron: str, description: str) -> dg.ScheduleDefinition:
        return dg.ScheduleDefinition(
            name=name,
            job_name=job,
            cron_schedule=cron,
            execution_timezone="UTC",
            default_status=status,
            description=description,
        )

    found = [
        billing_nightly,
        every("payments_hourly", jobs.SYNC_PAYMENTS, "15 * * * *", "What was paid in Stripe."),
        every("verify_daily", jobs.VERIFY, "30 5 * * *", "What a build has no time to look at."),
    ]
    measured = set() if workspace is None else {it.measures for it in workspace.settings.sources}
    if "usage" in measured:
        found.append(
            every("usage_every_5_minutes", jobs.USAGE, "*/5 * * * *", "New usage, in minutes.")
        )
    if workspace is not None and workspace.settings.warehouse.keep_landing_days is not None:
        found.append(
            every("landing_daily", jobs.DROP_LANDING, "30 6 * * *", "What landing need not keep.")
        )
    if "cost" in measured:
        found.append(
            every(
                "cost_daily", jobs.COST, "0 4 * * *", "The last day's bill, and what it restates."
            )
        )
    return found


def months_to_close(warehouse: Warehouse, now: datetime) -> list[date]:
    """Return the months in which a draft's period has ended and is not finalised, oldest first.

    A top-up is due as soon as there is a draft of it.
    """
    statement = text(
        """
        select distinct date_trunc('month', drafts.period_end - 1)::date as month
        from rating.int_invoices as drafts
        left join billing.invoices as finalised on drafts.invoice_id = finalised.invoice_id
        where
            finalised.invoice_id is null
            and (drafts.period_end_at <= :now or drafts.kind = 'top_up')
        order by month
        limit :months
        """
    )
    with warehouse.begin() as connection:
        try:
            found = connection.execute(statement, {"now": now, "months": MONTHS_AT_ONCE})
            months: list[date] = list(found.scalars())
        except ProgrammingError:
            # Before the first build there are no drafts.
            return []
    this_month = (now + timedelta(days=1)).date()
    return [month for month in months if month <= this_month]
