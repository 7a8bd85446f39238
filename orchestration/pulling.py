"""The part of the code location that pulls: all that a run without news needs.

It is assembled without dbt and Stripe, whose packages take longer to import than most pulls.
"""

import os
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from assets.ingestion.sources import source_assets
from assets.partitions import Clock, usage_days
from connectors.warehouse import Warehouse
from models.workspace import Workspace
from orchestration.jobs import pull_jobs

# The instant that a workspace stands still at, as the demo does; elsewhere it is always now.
AS_OF_VARIABLE = "METERHOUSE_AS_OF"


def pulling_definitions(workspace: Workspace) -> dg.Definitions:
    """Return the sources of a workspace and the jobs that pull them.

    Each is the same as in the whole code location, so the UI shows a run of them as its own.
    """
    return dg.Definitions(
        assets=source_assets(workspace, usage_days(fixed_instant(), datetime.now(UTC))),
        jobs=pull_jobs(workspace),
        resources=pulling_resources(),
        executor=dg.in_process_executor,
    )


def pulling_resources() -> dict[str, Any]:
    """Return the resources of sources; secrets stay out of what the UI shows."""
    return {
        "warehouse": Warehouse(url=dg.EnvVar("METERHOUSE_WAREHOUSE_URL")),
        "clock": Clock(fixed=os.environ.get(AS_OF_VARIABLE)),
    }


def fixed_instant() -> datetime | None:
    """Return the instant that the environment has the workspace stand still at."""
    given = os.environ.get(AS_OF_VARIABLE)
    return datetime.fromisoformat(given).astimezone(UTC) if given else None
