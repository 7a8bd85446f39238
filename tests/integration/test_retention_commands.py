"""The commands of retention, from the first run to a journal that was archived and restored."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.command_line import CommandLine

SETTINGS = """
company: {{name: Test}}
warehouse: {{url: "{url}", keep_landing_days: 30}}
sources:
  - {{name: logs, type: file, path: "usage/*"}}
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
RECORD = (
    '{{"id": "{id}", "timestamp": "{at}", "tenant_id": "{tenant}", "dimension_id": "calls",'
    ' "value": "1"}}\n'
)
AS_OF = ("--as-of", "2026-03-03")


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Commands export what their children need; the next test begins without it."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def cli(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    empty_database: str,
) -> CommandLine:
    cli = CommandLine(tmp_path / "workspace", capfd, monkeypatch)
    cli.write("meterhouse.yml", SETTINGS.format(url=empty_database))
    cli.write("catalog/all.yml", CATALOG)
    return cli


def deliver(cli: CommandLine, name: str, *records: tuple[str, str, str]) -> None:
    lines = [RECORD.format(id=key, at=at, tenant=tenant) for key, at, tenant in records]
    cli.write(f"usage/{name}.jsonl", "".join(lines))
    cli.json("run", *AS_OF)


def test_months_leave_and_come_back(cli: CommandLine, tmp_path: Path) -> None:
    january, february = "2026-01-15T00:00:00Z", "2026-02-15T00:00:00Z"
    deliver(cli, "a", ("1", january, "acme"), ("2", february, "acme"), ("3", january, "nobody"))
    archive = ("journal", "archive", "--before", "2026-02", "--to", str(tmp_path / "archive"))
    refused = cli(*archive)
    assert refused.code == 1
    assert "acme-1:2026-01-01" in refused.err
    assert cli.json("journal", "archives") == []

    cli.json("close", "2026-01", *AS_OF)
    archived = cli.json(*archive)
    assert (archived["entries"], archived["entries_kept"]) == (2, 0)
    [month] = archived["months"]
    file = Path(archived["directory"]) / f"usage-{month['month']}.parquet"
    assert (month["month"], month["bytes"]) == ("2026-01", file.stat().st_size)
    [listed] = cli.json("journal", "archives")
    assert (listed["months"], listed["restored_at"]) == (["2026-01"], None)
    assert cli(*archive).code == 1

    line = "acme-1:2026-01-01/usage/calls/1"
    explained = cli.json("explain", line)
    assert (explained["records"], explained["archives"]) == ([], [1])
    assert "`meterhouse journal restore 1`" in cli("explain", line).out
    recompute = cli("recompute", "acme-1:2026-01-01")
    assert recompute.code == 1
    assert "`meterhouse journal restore 1` first" in recompute.err

    deliver(cli, "b", ("1", january, "acme"), ("4", january, "acme"))
    waiting = {"source": "logs", "reason": "archived_time", "rows": 1, "can_be_replayed": True}
    assert cli.json("quarantine", "list") == [waiting]
    assert cli.json("quarantine", "replay") == [{"source": "logs", "replayed": 0, "remaining": 1}]

    assert cli.json("journal", "restore", "1")["entries"] == 2
    assert cli("journal", "restore", "1").code == 1
    assert cli.json("recompute", "acme-1:2026-01-01")["is_same"]
    assert [record["record_id"] for record in cli.json("explain", line)["records"]] == ["1"]
    assert cli.json("quarantine", "replay") == [{"source": "logs", "replayed": 1, "remaining": 0}]
    cli.json("run", *AS_OF)
    assert cli.json("quarantine", "list") == []


def test_landing_is_dropped_by_day(cli: CommandLine) -> None:
    deliver(cli, "a", ("1", "2026-01-15T00:00:00Z", "acme"))
    assert cli.json("landing", "drop", "--before", "2026-01-01") == {"dropped": [], "kept": []}
    assert cli("landing", "drop", "--before", "2999-01-01").code == 1
    assert cli("landing", "drop", "--before", "soon").code == 2
    assert cli("journal", "archive", "--before", "soon", "--to", "x").code == 2
