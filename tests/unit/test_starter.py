import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from models.catalog import catalog_of
from models.usage import UsageRecord, read_usage_record
from models.workspace import load_workspace
from orchestration.cli.starter.writing import FILES, TEMPLATES, write_starter

TODAY = date(2026, 3, 31)


def test_the_starter_is_a_workspace_without_problems(tmp_path: Path) -> None:
    write_starter(tmp_path, TODAY)
    workspace = load_workspace(tmp_path, {})
    catalog = catalog_of(workspace)
    assert [source.name for source in workspace.settings.sources] == ["sample"]
    assert [customer.id for customer in catalog.customers] == ["acme", "nordwind"]
    assert catalog.customers[0].contracts[0].start == date(2026, 2, 1)


def test_its_sample_is_made_of_usage_records_of_its_catalog(tmp_path: Path) -> None:
    write_starter(tmp_path, TODAY)
    catalog = catalog_of(load_workspace(tmp_path, {}))
    now = datetime(2026, 3, 31, tzinfo=UTC)
    lines = (tmp_path / "usage/sample.jsonl").read_text().splitlines()
    for line in lines:
        record = read_usage_record(json.loads(line), None, "sample", "UTC", now)
        assert isinstance(record, UsageRecord)
        assert (record.occurred_at.year, record.occurred_at.month) == (2026, 2)
        assert record.dimension_id in {dimension.id for dimension in catalog.dimensions}


@pytest.mark.parametrize("name", ["stripe", "alerts", "cost_rules"])
def test_what_is_commented_out_can_be_taken_in(tmp_path: Path, name: str) -> None:
    """A key that the settings no longer know must not stand in the starter."""
    write_starter(tmp_path, TODAY)
    file = tmp_path / ("catalog/costs.yml" if name == "cost_rules" else "meterhouse.yml")
    text = file.read_text()
    begin = text.index(f"# {name}:")
    block = "\n".join(
        line.removeprefix("# ") for line in text[begin:].split("\n\n")[0].splitlines()
    )
    file.write_text(text + "\n" + block + "\n")
    environment = {"STRIPE_API_KEY": "sk_test_x", "ALERT_WEBHOOK": "https://x.example"}
    workspace = load_workspace(tmp_path, environment)
    assert name == "cost_rules" or getattr(workspace.settings, name) is not None
    assert len(catalog_of(workspace).cost_rules) == (3 if name == "cost_rules" else 0)


def test_every_source_that_is_commented_out_can_be_taken_in(tmp_path: Path) -> None:
    write_starter(tmp_path, TODAY)
    file = tmp_path / "meterhouse.yml"
    before, sources = file.read_text().split("  # Files in S3.")
    sources, after = sources.split("\nbilling:")
    lines = [line.replace("  # ", "  ", 1) for line in sources.splitlines()[1:]]
    keys = [line for line in lines if line.startswith(("  - ", "    "))]
    file.write_text("\n".join([before, *keys, "billing:" + after]))
    names = ["GATEWAY_EXTERNAL_ID", "MIXPANEL_USERNAME", "MIXPANEL_SECRET"]
    environment = {**dict.fromkeys(names, "value"), "APP_DB_URL": "postgresql://h/d"}
    settings = load_workspace(tmp_path, environment).settings
    assert [source.type for source in settings.sources] == [
        "file",
        "s3",
        "postgres",
        "mixpanel",
        "aws_cost_explorer",
        "focus",
    ]


def test_files_that_are_there_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "meterhouse.yml").write_text("currency: EUR\n")
    written = write_starter(tmp_path, TODAY)
    assert tmp_path / "meterhouse.yml" not in written
    assert load_workspace(tmp_path, {}).settings.currency == "EUR"
    assert write_starter(tmp_path, TODAY) == []


def test_every_template_is_written() -> None:
    templates = {
        str(file.relative_to(TEMPLATES))
        for file in TEMPLATES.rglob("*")
        if file.is_file() and file.suffix not in {".py", ".pyc"}
    }
    assert templates == set(FILES.values())
