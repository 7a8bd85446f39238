"""The way of the data from delivered files to drafts, without Dagster around it."""

import json
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Row, text

from assets.catalog.publishing import publish
from assets.ingestion.pulling import PullReport, pull
from assets.invoicing.approval import note_void, voidable
from assets.invoicing.closing import CloseReport, ClosingRules, close_period
from assets.transform.builds import begin_build, build_inputs, finish_build
from connectors.dbt import run_project
from connectors.warehouse import Warehouse
from models.catalog import load_catalog
from models.settings import FileSource

JOURNAL = ("+jnl_delivery_counts",)


class Pipeline:
    """Publishes, delivers and builds in one warehouse."""

    def __init__(self, warehouse: Warehouse, directory: Path) -> None:
        self.warehouse = warehouse
        self.directory = directory
        self.catalog_version = "none"

    def publish(self, directory: Path) -> None:
        """Publish the catalog in a folder; later builds use it."""
        catalog = load_catalog(directory)
        with self.warehouse.begin() as connection:
            publish(connection, catalog)
        self.catalog_version = catalog.version

    def deliver(self, source: str, records: list[dict], name: str = "usage") -> PullReport:
        """Deliver records as one file of a source, and land it."""
        folder = self.directory / source
        folder.mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{name}.jsonl").write_text(lines)
        settings = FileSource(name=source, type="file", path=str(folder / "*.jsonl"))
        return pull(settings, self.warehouse, datetime.now(UTC))

    def build(self, as_of: datetime, *selection: str, late_usage: str = "adjust") -> int:
        """Build the selected models (all, with their tests, if none) and return the number."""
        with self.warehouse.begin() as connection:
            inputs = build_inputs(connection, self.catalog_version, as_of, late_usage, "tests")
            number = begin_build(connection, inputs, datetime.now(UTC))
        verb = ["run", "--select", *selection] if selection else ["build"]
        exclude = [] if selection else ["--exclude-resource-type", "unit_test"]
        failed = [
            f"{result.unique_id}: {result.message}"
            for result in run_project([*verb, *exclude], self.directory / "dbt")
            if not result.is_successful
        ]
        assert not failed, "\n".join(failed)
        with self.warehouse.begin() as connection:
            finish_build(connection, number, datetime.now(UTC))
        return number

    def close(self, rules: ClosingRules, now: datetime) -> CloseReport:
        """Finalise what the gates allow."""
        return close_period(self.warehouse, rules, None, now)

    def rows(self, query: str) -> list[Row]:
        """Return the rows of a query."""
        with self.warehouse.begin() as connection:
            return list(connection.execute(text(query)))


def record_void(warehouse: Warehouse, reference: str, actor: str, now: datetime) -> None:
    """Void an invoice that was never posted, and all that is on a document with it."""
    with warehouse.begin() as connection:
        note_void(connection, voidable(connection, reference), actor, now)
