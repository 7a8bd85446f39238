"""The code location: every asset, check, job, schedule and sensor of a workspace, assembled."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from assets.catalog.catalog_tables import catalog_tables
from assets.checks.everything import all_checks, in_depth
from assets.delivery.assets import posted_invoices, synced_payments
from assets.ingestion.raw_tables import raw_tables
from assets.ingestion.sources import source_assets
from assets.invoicing.assets import approved_invoices, closed_invoices
from assets.partitions import billing_months, usage_days
from assets.retention.assets import dropped_days
from assets.table_specs import external_spec
from assets.transform.dbt import DbtBuilds, dbt_models, on_demand
from assets.transform.parameters import parameters
from connectors.dbt import TARGET_DIRECTORY
from connectors.stripe_invoices import StripeInvoices
from models.workspace import SETTINGS_FILE, Workspace, load_workspace
from orchestration.jobs import jobs
from orchestration.pulling import fixed_instant, pulling_resources
from orchestration.schedules import schedules
from orchestration.sensors import sensors

WORKSPACE_VARIABLE = "METERHOUSE_WORKSPACE"
DEFAULT_WORKSPACE = "workspace"
# As of the start of a build: what is written later in the story is read here without a circle.
SEEN_BY_THE_BUILD = (
    ("billing", "closed_periods", "rating"),
    ("billing", "closed_lines", "rating"),
    ("billing", "voided_invoices", "rating"),
    ("ops", "journaled_deliveries", "operations"),
    ("ops", "claimed_deliveries", "operations"),
    ("ops", "rollups", "operations"),
    ("ops", "archives", "operations"),
    ("ops", "archived_months", "operations"),
    ("ops", "archived_entries", "operations"),
    ("ops", "archived_deliveries", "operations"),
    ("ops", "kept_entries", "operations"),
)


def build_definitions(
    workspace: Workspace | None, resources: dict[str, Any] | None = None
) -> dg.Definitions:
    """Return the whole code location of a workspace, with some resources replaced."""
    models = dbt_models()
    landed = raw_tables(workspace)
    published = catalog_tables(workspace)
    begun = parameters(workspace)
    as_of, now = fixed_instant(), datetime.now(UTC)
    return dg.Definitions(
        assets=[
            *source_assets(workspace, usage_days(as_of, now)),
            landed,
            published,
            begun,
            models,
            closed_invoices(workspace, billing_months(as_of, now)),
            approved_invoices,
            posted_invoices,
            synced_payments,
            dropped_days(workspace),
            *(external_spec(*relation) for relation in SEEN_BY_THE_BUILD),
        ],
        asset_checks=all_checks(),
        jobs=jobs(workspace, models, [landed, published, begun], [*in_depth(), *on_demand(models)]),
        schedules=schedules(workspace),
        sensors=sensors(workspace),
        resources={**default_resources(workspace), **(resources or {})},
        # One process a run: a step of its own process would cost more than most steps.
        executor=dg.in_process_executor,
    )


def default_resources(workspace: Workspace | None) -> dict[str, Any]:
    """Return the resources of a workspace; secrets stay out of what the UI shows."""
    target = TARGET_DIRECTORY if workspace is None else workspace.state_directory / "dbt"
    return {
        **pulling_resources(),
        "dbt": DbtBuilds(target_directory=str(target)),
        "stripe": dg.ResourceDefinition(lambda _: stripe_account(workspace)),
    }


def stripe_account(workspace: Workspace | None) -> StripeInvoices:
    """Return the Stripe account of a workspace; without a key if there is none."""
    settings = None if workspace is None else workspace.settings.stripe
    if workspace is None or settings is None:
        return StripeInvoices(api_key="")
    return StripeInvoices(
        api_key=settings.api_key.get_secret_value(),
        api_base=settings.api_base,
        payment_methods=list(settings.payment_methods),
        tax_code=settings.tax_code,
        collection=workspace.settings.billing.collection,
        days_until_due=workspace.settings.billing.days_until_due,
    )


def configured_workspace() -> Workspace | None:
    """Return the workspace that the environment names, or None where there is none yet."""
    directory = Path(os.environ.get(WORKSPACE_VARIABLE, DEFAULT_WORKSPACE))
    return load_workspace(directory) if (directory / SETTINGS_FILE).is_file() else None


@dg.definitions
def defs() -> dg.Definitions:
    """Return the code location of the configured workspace."""
    return build_definitions(configured_workspace())
