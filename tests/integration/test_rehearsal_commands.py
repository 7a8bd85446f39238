"""The commands preview and backtest, on a workspace of their own."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.integration.command_line import CommandLine
from tests.integration.test_cli import CATALOG, SETTINGS

AS_OF = "2026-03-15"


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Commands export what their children need; the next test begins without it."""
    before = dict(os.environ)
    os.environ["METERHOUSE_AS_OF"] = f"{AS_OF}T00:00:00Z"
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def workspace(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    empty_database: str,
) -> CommandLine:
    """A workspace with a call each day, of January to the middle of March."""
    cli = CommandLine(tmp_path / "workspace", capfd, monkeypatch)
    cli.write("meterhouse.yml", SETTINGS.format(url=empty_database))
    cli.write("catalog/all.yml", CATALOG)
    cli.write("other/all.yml", CATALOG.replace('"0.10"', '"0.30"'))
    days = [datetime(2026, month, day, tzinfo=UTC) for month in (1, 2, 3) for day in range(1, 15)]
    cli.write(
        "usage/a.jsonl",
        "".join(
            f'{{"id":"{day:%m%d}","timestamp":"{day:%Y-%m-%d}T10:00:00Z","tenant_id":"acme",'
            '"dimension_id":"calls","value":"10"}\n'
            for day in days
        ),
    )
    return cli


def test_before_the_first_run_both_say_what_to_do(workspace: CommandLine) -> None:
    for command in (
        ["preview", "acme"],
        ["backtest", "--catalog", str(workspace.workspace / "other")],
    ):
        answer = workspace(*command)
        assert answer.code == 1
        assert "meterhouse run" in answer.err


def test_a_customer_is_previewed_and_history_back_tested(workspace: CommandLine) -> None:
    other = str(workspace.workspace / "other")
    assert workspace("run").code == 0

    found = workspace.json("preview", "acme")
    march = found["invoices"][-1]
    assert march["header"]["invoice_id"] == "acme-1:2026-03-01"
    # 14 days of 10 calls, and 17 more: 14.00 and 31.00.
    assert Decimal(march["header"]["total"]) == 14
    assert Decimal(march["projected_total"]) == 31
    assert found["projected_records"] == 17
    shown = workspace("preview", "acme")
    assert shown.code == 0
    assert "31.00" in shown.out
    assert "Projected until 2026-04-01" in shown.out

    compared = workspace.json("backtest", "--catalog", other, "--from", "2026-02-01")
    (customer,) = compared["marts"]["customers"]
    assert (Decimal(customer["revenue_old"]), Decimal(customer["revenue_new"])) == (28, 84)
    assert "acme" in Path(compared["report"]).read_text()
    window = ["--from", "2026-01-01", "--to", "2026-02-01"]
    file = workspace.workspace / "report.html"
    shown = workspace("backtest", "--catalog", other, *window, "--report", str(file))
    assert shown.code == 0
    assert "Customers who pay more" in shown.out
    assert "Biggest bill shocks" in shown.out
    assert file.exists()


def test_what_cannot_be_rated_is_refused(workspace: CommandLine) -> None:
    other = str(workspace.workspace / "other")
    unknown = workspace("preview", "acne")
    assert (unknown.code, "did you mean acme" in unknown.err) == (1, True)
    nowhere = workspace("backtest", "--catalog", str(workspace.workspace / "nowhere"))
    assert (nowhere.code, "nowhere" in nowhere.err) == (1, True)
    no_day = workspace("backtest", "--catalog", other, "--from", "2026-13-01")
    assert (no_day.code, "is not a day" in no_day.err) == (2, True)
    backwards = workspace("backtest", "--catalog", other, "--from", AS_OF, "--to", AS_OF)
    assert (backwards.code, "half-open" in backwards.err) == (2, True)
