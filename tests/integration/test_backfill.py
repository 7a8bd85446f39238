"""A history pulled in parts that go on at the same time, as a backfill of the UI starts them."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import dagster as dg
import pytest
from sqlalchemy import text

from assets.ingestion.bookkeeping import source_state
from assets.keys import USAGE_DAYS, source_key
from assets.partitions import usage_days
from connectors.warehouse import Warehouse
from models.workspace import Workspace, load_workspace
from orchestration.environment import activate
from orchestration.running import JobRunner
from tests.integration.test_mixpanel import Exports, Handler

PARTS = (("2026-01-01", "2026-01-31"), ("2026-02-01", "2026-02-28"))
SETTINGS = """
warehouse: {{url: "{url}"}}
sources:
  - {{name: logs, type: file, path: "usage/*.jsonl"}}
  - name: product
    type: mixpanel
    project_id: "7"
    username: robot
    secret: s3cret
    api_base: "{mixpanel}"
    events: {{Report Exported: {{dimension_id: exports}}}}
    fields: {{tenant_id: properties.tenant}}
"""
RECORD = (
    '{"id":"1","timestamp":"2026-01-03T10:00:00Z","tenant_id":"acme","dimension_id":"calls",'
    '"value":"1"}'
)
RUN = """
import sys
from pathlib import Path
from models.workspace import load_workspace
from orchestration.running import JobRunner

workspace, start, end = sys.argv[1:]
tags = {
    "dagster/backfill": "history",
    "dagster/asset_partition_range_start": start,
    "dagster/asset_partition_range_end": end,
}
outcome = JobRunner(load_workspace(Path(workspace))).run("backfill_usage", tags=tags)
sys.exit("\\n".join(problem.message for problem in outcome.problems) or 0)
"""


class TogetherHandler(Handler):
    """Answers the first export of each month only when both months have been asked for."""

    def do_GET(self) -> None:  # noqa: N802 - as the base class calls it.
        [first] = parse_qs(urlsplit(self.path).query)["from_date"]
        with self.server.lock:
            is_first = first[:7] not in self.server.months
            self.server.months.add(first[:7])
        if is_first:
            self.server.together.wait()
        super().do_GET()


@pytest.fixture
def exports() -> Iterator[Exports]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), TogetherHandler)
    server.exports, server.months, server.lock = Exports(), set(), threading.Lock()
    server.together = threading.Barrier(len(PARTS), timeout=100)
    server.exports.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    yield server.exports
    server.shutdown()
    server.server_close()


@pytest.fixture
def workspace(tmp_path: Path, empty_database: str, exports: Exports) -> Iterator[Workspace]:
    before = dict(os.environ)
    settings = SETTINGS.format(url=empty_database, mixpanel=exports.url)
    (tmp_path / "meterhouse.yml").write_text(settings)
    (tmp_path / "catalog").mkdir()
    (tmp_path / "usage").mkdir()
    (tmp_path / "usage" / "a.jsonl").write_text(RECORD)
    workspace = load_workspace(tmp_path)
    activate(workspace)
    yield workspace
    os.environ.clear()
    os.environ.update(before)


def test_parts_of_a_history_land_at_the_same_time_each_row_once(
    workspace: Workspace, exports: Exports
) -> None:
    first, last = (date.fromisoformat(day) for day in (PARTS[0][0], PARTS[-1][1]))
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    for number, day in enumerate(days):
        exports.add(f"{day}", number=number)
    command = [sys.executable, "-W", "ignore", "-c", RUN, str(workspace.directory)]
    runs = [subprocess.Popen([*command, *part], stderr=subprocess.PIPE) for part in PARTS]
    said = [run.communicate()[1].decode() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    warehouse = Warehouse(url=workspace.settings.warehouse.url.get_secret_value())
    with warehouse.begin() as connection:
        landed = connection.execute(
            text(
                "select source, count(*), count(distinct record_key) from raw.usage_records"
                " inner join raw.deliveries using (delivery_id) group by source order by source"
            )
        ).all()
    assert [tuple(row) for row in landed] == [("logs", 1, 1), ("product", len(days), len(days))]
    # Which of them ended last says nothing of what is complete: that is a whole pull's to say.
    assert source_state(warehouse, "product").complete_until is None
    warehouse.close()
    with dg.DagsterInstance.get() as instance:
        whole = instance.fetch_materializations(source_key("logs"), limit=9).records
        parts = instance.get_materialized_partitions(USAGE_DAYS)
    assert len(whole) == 1
    assert parts == {f"{day}" for day in days}


def test_three_years_are_runs_of_a_month(workspace: Workspace) -> None:
    definitions = JobRunner(workspace).definitions
    policy = definitions.resolve_asset_graph().get(USAGE_DAYS).backfill_policy
    assert policy == dg.BackfillPolicy.multi_run(max_partitions_per_run=31)
    assert usage_days(None, datetime.now(UTC)).has_partition_key("2023-11-01")
