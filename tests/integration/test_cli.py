"""The command line on a workspace of its own, with an external PostgreSQL as warehouse."""

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.integration.command_line import CommandLine

SETTINGS = """
company: {{name: Test}}
warehouse: {{url: "{url}"}}
sources:
  - {{name: logs, type: file, path: "usage/*"}}
billing: {{grace: 1d}}
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
DEAD = "postgresql://somebody:topsecret@127.0.0.1:1/nowhere"


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Commands export what their children need; the next test begins without it."""
    before = dict(os.environ)
    os.environ.pop("METERHOUSE_AS_OF", None)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def cli(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    return CommandLine(tmp_path / "workspace", capfd, monkeypatch)


@pytest.fixture
def workspace(cli: CommandLine, empty_database: str) -> CommandLine:
    """A workspace with one file source."""
    cli.write("meterhouse.yml", SETTINGS.format(url=empty_database))
    cli.write("catalog/all.yml", CATALOG)
    cli.write("usage/a.jsonl", "")
    return cli


def test_from_a_new_workspace_to_an_approved_invoice(cli: CommandLine, empty_database: str) -> None:
    this_month = datetime.now(UTC).date().replace(day=1)
    assert cli("init", str(cli.workspace)).code == 0
    last_month = f"{this_month - timedelta(days=1):%Y-%m}"
    # After last month's grace, whatever day it is today.
    as_of = (this_month + timedelta(days=5)).isoformat()
    settings = cli.workspace / "meterhouse.yml"
    settings.write_text(settings.read_text().replace("url: embedded", f'url: "{empty_database}"'))
    assert cli("check").code == 0

    first = cli.json("run", "--as-of", as_of)
    assert first["has_built"]
    assert all(source["delivered"] > 0 for source in first["sources"])
    second = cli.json("run", "--as-of", as_of)
    assert not second["has_built"]
    assert [source["delivered"] for source in second["sources"]] == [0] * len(second["sources"])

    assert cli.json("verify")["passed"]

    closed = cli.json("close", last_month, "--as-of", as_of)
    assert closed["finalised"]
    assert not closed["held"]
    again = cli.json("close", last_month, "--as-of", as_of)
    assert again["finalised"] == {}

    numbers = list(closed["finalised"].values())
    assert sorted(cli.json("approve", numbers[0])["approved"]) == sorted(
        invoice_id for invoice_id, number in closed["finalised"].items() if number == numbers[0]
    )
    assert len(cli.json("approve", "--all")["approved"]) == len(numbers) - 1

    listed = {row["invoice_number"]: row for row in cli.json("invoices")}
    assert set(numbers) <= set(listed)
    explained = cli.json("explain", numbers[0])
    assert sum(float(line["amount"]) for line in explained["lines"]) == pytest.approx(
        float(explained["invoice"]["total"])
    )
    usage = next(line for line in explained["lines"] if line["kind"] == "usage")
    steps = [step["amount"] for step in usage["steps"] if step["amount"] is not None]
    assert sum(map(Decimal, steps)) == Decimal(usage["amount"])
    assert cli.json("explain", usage["invoice_line_id"])["records"]
    told = cli("explain", numbers[0])
    assert usage["description"] in told.out
    assert "Total" in told.out
    file = cli.workspace / "records.csv"
    written = cli.json("explain", numbers[0], "--records", str(file))["records"]
    assert sum(written.values()) == len(file.read_text().splitlines()) - 1
    assert usage["invoice_line_id"] in written
    assert cli("explain", numbers[0], "--records", "records.doc").code == 1
    assert cli.json("recompute", numbers[0])["is_same"]


def test_a_source_that_cannot_be_read_does_not_stop_the_others(workspace: CommandLine) -> None:
    workspace.write(
        "usage/a.jsonl",
        '{"id":"1","timestamp":"2026-01-03T10:00:00Z","tenant_id":"acme",'
        '"dimension_id":"calls","value":"100"}\n',
    )
    workspace.write("usage/notes.txt", "no usage")
    settings = workspace.workspace / "meterhouse.yml"
    dead = f"  - {{name: app, type: postgres, url: '{DEAD}', table: t, cursor: c, key: k}}\n"
    settings.write_text(settings.read_text().replace("billing:", f"{dead}billing:"))
    answer = workspace("--json", "run", "--as-of", "2026-02-10")
    assert answer.code == 1
    assert "app" in answer.err
    assert "topsecret" not in answer.out + answer.err
    found = {row["source"]: row for row in answer.result["sources"]}
    # One of its files could not be read, either; the other is counted.
    assert (found["logs"]["delivered"], found["logs"]["journaled"]) == (1, 1)
    assert "notes.txt" in found["logs"]["problem"]
    assert found["app"]["problem"]


def test_a_broken_file_is_quarantined_and_said_so(workspace: CommandLine) -> None:
    workspace.write("usage/broken.parquet", "this is no parquet")
    result = workspace.json("run", "--as-of", "2026-02-10")
    assert result["sources"][0]["quarantined"] == 1
    (found,) = workspace.json("quarantine", "list")
    assert (found["source"], found["rows"]) == ("logs", 1)
    shown = workspace("quarantine", "show")
    assert "broken.parquet" in shown.out
    assert workspace.json("quarantine", "waive", "--source", "logs")["waived"] == 1
    assert workspace.json("quarantine", "list") == []


def usage(number: int, **other: str) -> str:
    record = {"id": f"r{number}", "tenant_id": "acme", "dimension_id": "calls", "value": "1"}
    return json.dumps({"timestamp": "2026-01-03T10:00:00Z", **record, **other}) + "\n"


def test_what_can_be_read_with_other_settings_is_replayed_and_journaled(
    workspace: CommandLine,
) -> None:
    rows = [usage(1, timestamp="03.01.2026"), usage(2), "{broken\n"]
    workspace.write("usage/a.jsonl", "".join(rows).replace('"value"', '"count"'))
    result = workspace.json("run", "--as-of", "2026-02-10")
    assert (result["sources"][0]["journaled"], result["sources"][0]["quarantined"]) == (0, 3)
    settings = workspace.workspace / "meterhouse.yml"
    mapped = settings.read_text().replace('"usage/*"}', '"usage/*", fields: {value: count}}')
    settings.write_text(mapped)
    chosen = ("--source", "logs", "--delivery", "1")
    row = workspace.json("quarantine", "replay", *chosen, "--row", "2")
    assert row == [{"source": "logs", "replayed": 1, "remaining": 0}]
    assert workspace.json("quarantine", "replay") == [
        {"source": "logs", "replayed": 0, "remaining": 2}
    ]
    assert workspace.json("run", "--as-of", "2026-02-10")["sources"][0]["journaled"] == 1
    (left,) = workspace.json("quarantine", "show", "--reason", "unreadable_row")
    assert (left["row_number"], left["record"]) == (3, "{broken")


def test_what_the_journal_refuses_is_shown_beside_what_stands(workspace: CommandLine) -> None:
    workspace.write("usage/a.jsonl", usage(1) + usage(2))
    workspace.json("run", "--as-of", "2026-02-10")
    workspace.write("usage/b.jsonl", usage(1, value="7") + usage(2))
    result = workspace.json("run", "--as-of", "2026-02-10")
    assert (result["sources"][0]["duplicates"], result["sources"][0]["quarantined"]) == (1, 1)
    (counted,) = workspace.json("quarantine", "list", "--reason", "conflicting_id")
    assert counted["rows"] == 1
    (refused,) = workspace.json("quarantine", "show")
    assert (refused["record"]["record_id"], refused["record"]["value"]) == ("r1", "7.000000000")
    assert refused["stands"]["value"] == "1.000000000"
    assert refused["stands"]["object"] == "usage/a.jsonl"
    place = ("--delivery", str(refused["delivery_id"]), "--row", "1")
    in_full = workspace("quarantine", "show", *place).out
    assert "record.value" in in_full
    assert "stands.value" in in_full
    assert workspace.json("quarantine", "waive", *place)["waived"] == 1
    assert workspace.json("quarantine", "list") == []


def test_a_long_row_is_shown_in_full_when_it_is_named(workspace: CommandLine) -> None:
    workspace.write("usage/a.jsonl", usage(1, value="x", metadata="y" * 300))
    workspace.json("run", "--as-of", "2026-02-10")
    assert "y" * 300 not in "".join(workspace("quarantine", "show").out.split())
    shown = workspace("quarantine", "show", "--delivery", "1", "--row", "1").out
    assert "y" * 300 in "".join(shown.split())


@pytest.mark.parametrize(
    ("option", "given", "meant"),
    [("--reason", "bad_vlaue", "bad_value"), ("--source", "lgos", "logs")],
)
@pytest.mark.parametrize("command", ["list", "show", "replay", "waive"])
def test_a_misspelt_choice_is_refused_with_what_may_be_meant(
    workspace: CommandLine, command: str, option: str, given: str, meant: str
) -> None:
    answer = workspace("quarantine", command, option, given)
    assert answer.code == 1
    assert f"did you mean {meant}?" in answer.err


def test_it_says_its_version(cli: CommandLine) -> None:
    answer = cli("--version")
    assert answer.code == 0
    assert answer.out.strip() == f"meterhouse {version('meterhouse')}"


def test_the_warehouse_can_be_asked_for(workspace: CommandLine) -> None:
    assert workspace.json("warehouse", "url")["url"].startswith("postgresql://")
    answer = workspace("warehouse", "stop")
    assert answer.code == 1
    assert "meterhouse.yml" in answer.err


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("meterhouse.yml", "sources: [{name: a, type: ftp}]", ["meterhouse.yml:1", "ftp"]),
        ("meterhouse.yml", "sorces: []", ["meterhouse.yml:1", "sources"]),
        ("meterhouse.yml", "a: [", ["meterhouse.yml:"]),
        ("meterhouse.yml", "warehouse: {url: '${NO_SUCH_VARIABLE}'}", ["NO_SUCH_VARIABLE"]),
        ("catalog/all.yml", CATALOG.replace('"0.10"', "0.10"), ["catalog/all.yml:7", "0.10"]),
        ("catalog/all.yml", CATALOG.replace("plan: payg", "plan: pyag"), ["payg"]),
        ("catalog/all.yml", CATALOG.replace("aggregation: sum", "aggregation: summ"), ["summ"]),
    ],
)
@pytest.mark.parametrize("command", [("check",), ("run",), ("close", "2026-01")])
def test_what_is_wrong_with_a_file_is_said_with_its_place(
    cli: CommandLine, name: str, content: str, expected: list[str], command: tuple[str, ...]
) -> None:
    cli.write("meterhouse.yml", SETTINGS.format(url=DEAD))
    cli.write("catalog/all.yml", CATALOG)
    cli.write(name, content)
    answer = cli(*command)
    assert answer.code == 1
    for words in expected:
        assert words in answer.out + answer.err


def test_all_problems_of_the_files_are_said_at_once(cli: CommandLine) -> None:
    cli.write("meterhouse.yml", "sorces: []")
    cli.write("catalog/all.yml", CATALOG.replace("plan: payg", "plan: pyag").replace("sum", "summ"))
    answer = cli("check")
    assert answer.code == 1
    for words in ("sorces", "pyag", "summ"):
        assert words in answer.out


@pytest.mark.parametrize("command", [("run",), ("invoices",), ("warehouse", "url"), ("check",)])
def test_a_dead_warehouse_is_named_without_its_password(
    cli: CommandLine, command: tuple[str, ...]
) -> None:
    cli.write("meterhouse.yml", SETTINGS.format(url=DEAD))
    cli.write("catalog/all.yml", CATALOG)
    answer = cli(*command)
    assert answer.code == 1
    assert "127.0.0.1:1" in answer.out + answer.err
    assert "topsecret" not in answer.out + answer.err


def test_a_wrong_password_is_named(workspace: CommandLine, empty_database: str) -> None:
    wrong = re.sub(r"://([^:]+):[^@]+@", r"://\1:wrong@", empty_database)
    workspace.write("meterhouse.yml", SETTINGS.format(url=wrong))
    answer = workspace("run")
    assert answer.code == 1
    assert "password" in answer.err


def test_a_folder_that_is_no_workspace_is_named(cli: CommandLine) -> None:
    answer = cli("run")
    assert answer.code == 1
    assert str(cli.workspace) in answer.err
    assert "meterhouse init" in answer.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("close",),
        ("close", "2026-13"),
        ("run", "--as-of", "yesterday"),
        ("run", "--to", "2026-01-01"),
        ("run", "--from", "2026-02-01", "--to", "2026-01-01"),
        ("approve",),
        ("quarantine", "waive"),
        ("quarantine", "show", "--row", "1"),
    ],
)
def test_wrong_usage_ends_with_2(cli: CommandLine, arguments: tuple[str, ...]) -> None:
    answer = cli(*arguments)
    assert answer.code == 2
    assert answer.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("approve", "INV-999999"),
        ("void", "INV-999999", "--yes"),
        ("recompute", "INV-999999"),
        ("explain", "INV-999999"),
        ("post",),
        ("verify",),
        ("quarantine", "list", "--source", "nobody"),
    ],
)
def test_what_is_not_there_is_said_before_anything_happens(
    workspace: CommandLine, arguments: tuple[str, ...]
) -> None:
    answer = workspace(*arguments)
    assert answer.code == 1
    assert answer.err.startswith("Error: ") or "Error: " in answer.err


def test_a_defect_of_ours_ends_with_3_and_names_a_file(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(_: Path) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("models.workspace.load_workspace", break_down)
    answer = cli("run")
    assert answer.code == 3
    file = Path(answer.err.strip().rpartition(" ")[2])
    assert "planted" in file.read_text()


def test_the_demo_does_not_write_into_a_workspace_of_somebody(cli: CommandLine) -> None:
    cli.write("meterhouse.yml", "company: {name: Mine}\n")
    answer = cli("demo")
    assert answer.code == 1
    assert (cli.workspace / "meterhouse.yml").read_text() == "company: {name: Mine}\n"
