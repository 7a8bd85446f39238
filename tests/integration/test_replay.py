"""Quarantine: rows are read again once the settings can read them, or given up."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Text, cast, insert, select

from assets.ingestion.checking import check_source
from assets.ingestion.plans import mixpanel_project
from assets.ingestion.pulling import pull
from assets.ingestion.replay import (
    Choice,
    count_quarantine,
    list_quarantine,
    replay_quarantine,
    waive_quarantine,
)
from connectors.mixpanel import usage_row
from models.exact_json import read_json
from models.settings import FileSource, FocusSource, MixpanelSource
from models.tables import raw
from models.usage import UsageReader

AS_OF = datetime(2026, 4, 1, tzinfo=UTC)
ROW = {"timestamp": "2026-03-01T00:00:00Z", "tenant_id": "acme", "dimension_id": "calls"}


@pytest.fixture
def deliver(tmp_path, warehouse):
    def deliver(*rows, name="a", **settings):
        text = "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(text)
        return pull(source(**settings), warehouse, AS_OF, directory=tmp_path)

    return deliver


def source(**settings):
    return FileSource(name="logs", type="file", path="*.jsonl", **settings)


def rows_of(warehouse, table, *columns):
    chosen = [table.c[name] for name in columns]
    with warehouse.begin() as connection:
        return [tuple(row) for row in connection.execute(select(*chosen).order_by(*chosen))]


def test_rows_that_can_be_read_now_land_with_their_numbers(deliver, warehouse):
    deliver(
        {**ROW, "id": "a", "value": "1"},
        {**ROW, "id": "b", "count": "1.10", "metadata": {"n": 1}},
        {**ROW, "id": "c", "count": "many"},
        "{broken",
    )
    mapped = source(fields={"value": "count"})
    report = replay_quarantine(warehouse, mapped, AS_OF)
    assert (report.replayed_count, report.remaining_count) == (1, 2)
    columns = ("object", "replays_delivery_id", "delivered_count", "landed_count")
    (original, _, *_), (replay, replays, *counts) = rows_of(warehouse, raw.deliveries, *columns)
    assert replay == f"replay of {original}"
    assert counts == [1, 1]
    assert rows_of(warehouse, raw.usage_records, "row_number", "record_id", "value") == [
        (1, "a", Decimal(1)),
        (2, "b", Decimal("1.1")),
    ]
    assert rows_of(warehouse, raw.quarantine_resolutions, "row_number", "resolution") == [
        (2, "replayed")
    ]
    assert report.delivery_ids == (replays + 1,)


def test_a_replay_again_adds_nothing(deliver, warehouse):
    deliver({**ROW, "count": "1"}, {**ROW, "count": "x"})
    mapped = source(fields={"value": "count"})
    assert replay_quarantine(warehouse, mapped, AS_OF).replayed_count == 1
    report = replay_quarantine(warehouse, mapped, AS_OF)
    assert (report.replayed_count, report.remaining_count) == (0, 1)
    assert len(rows_of(warehouse, raw.deliveries, "delivery_id")) == 2
    # The next change of the settings makes one more delivery of the rest.
    fixed = source(fields={"value": {"const": "7"}})
    assert replay_quarantine(warehouse, fixed, AS_OF).replayed_count == 1
    assert count_quarantine(warehouse) == []
    assert len(rows_of(warehouse, raw.deliveries, "delivery_id")) == 3


def test_a_replayed_row_is_the_record_it_would_have_been(deliver, warehouse):
    """Id, content and exact metadata: the same as if it had been read at once."""
    row = (
        '{"timestamp": "2026-03-01T00:00:00", "tenant_id": "acme", "dimension_id": "calls",'
        ' "count": 1.10, "metadata": {"n": 1.10, "t": "\u2028"}}'
    )
    deliver(row, row)
    fields = {"value": "count"}
    mapped = source(fields=fields, timezone="Asia/Kathmandu")
    # One by one: without an id, the second of two alike is the second one then, too.
    replay_quarantine(warehouse, mapped, AS_OF, Choice(delivery_id=1, row_number=2))
    replay_quarantine(warehouse, mapped, AS_OF)
    reader = UsageReader("logs", fields, ZoneInfo("Asia/Kathmandu"), AS_OF)
    expected = [reader.read(read_json(row)) for _ in range(2)]
    columns = ("record_id", "value", "occurred_at")
    assert rows_of(warehouse, raw.usage_records, *columns) == sorted(
        (record.record_id, record.value, record.occurred_at) for record in expected
    )
    with warehouse.begin() as connection:
        texts = connection.execute(select(cast(raw.usage_records.c.metadata, Text))).scalars()
        assert set(texts) == {record.metadata for record in expected}


@pytest.mark.parametrize("was", [None, "parquet"])
def test_a_file_of_another_format_is_opened_once_more(was, deliver, tmp_path, warehouse):
    """Its version has landed: no pull would come back to it."""
    names = ["id", "timestamp", "tenant_id", "dimension_id", "value"]
    rows = [",".join(({**ROW, "id": name, "value": "1"})[key] for key in names) for name in "ab"]
    deliver(",".join(names), *rows, "c,d", format=was)
    csv = source(format="csv")
    pull(csv, warehouse, AS_OF, directory=tmp_path)
    assert rows_of(warehouse, raw.usage_records, "record_id") == []
    # Not what was delivered then, and not without the folder.
    (tmp_path / "a.jsonl").rename(tmp_path / "b.jsonl")
    (tmp_path / "a.jsonl").write_text("")
    for directory in (tmp_path, tmp_path / "gone"):
        report = replay_quarantine(warehouse, csv, AS_OF, directory=directory)
        assert report.replayed_count == 0
    (tmp_path / "b.jsonl").rename(tmp_path / "a.jsonl")
    report = replay_quarantine(warehouse, csv, AS_OF, directory=tmp_path)
    assert (report.replayed_count, report.remaining_count) == (2, 1)
    assert rows_of(warehouse, raw.usage_records, "row_number", "record_id") == [(2, "a"), (3, "b")]
    [left] = list_quarantine(warehouse)
    assert (left.object, left.row_number, left.reason) == ("replay of a.jsonl", 4, "unreadable_row")
    report = replay_quarantine(warehouse, csv, AS_OF, directory=tmp_path)
    assert (report.replayed_count, report.remaining_count) == (0, 1)


def test_many_rows_are_replayed(deliver, warehouse, monkeypatch):
    monkeypatch.setattr("assets.ingestion.replay.BATCH_ROWS", 3)
    deliver(*[{**ROW, "id": f"r{number}", "count": number} for number in range(10)])
    report = replay_quarantine(warehouse, source(fields={"value": "count"}), AS_OF)
    assert (report.replayed_count, report.remaining_count) == (10, 0)


def test_the_quarantine_is_listed_and_counted(deliver, warehouse):
    deliver({**ROW, "id": "b"}, "{broken", {**ROW, "value": "1", "timestamp": "x"})
    assert count_quarantine(warehouse) == [
        ("logs", "bad_timestamp", 1),
        ("logs", "missing_field", 1),
        ("logs", "unreadable_row", 1),
    ]
    listed = list_quarantine(warehouse, Choice(reason="unreadable_row"))
    assert [(row.source, row.row_number, row.record) for row in listed] == [("logs", 2, "{broken")]
    assert len(list_quarantine(warehouse, limit=2)) == 2
    assert list_quarantine(warehouse, Choice(source="other")) == []


def test_rows_can_be_given_up(deliver, warehouse):
    deliver({**ROW, "id": "b"}, "{broken")
    assert waive_quarantine(warehouse, Choice(source="logs", reason="unreadable_row")) == 1
    assert waive_quarantine(warehouse, Choice(source="logs", reason="unreadable_row")) == 0
    assert count_quarantine(warehouse) == [("logs", "missing_field", 1)]
    assert rows_of(warehouse, raw.quarantine_resolutions, "row_number", "resolution") == [
        (2, "waived")
    ]


def test_the_mapping_of_mixpanels_events_is_applied_anew():
    def product(value):
        return MixpanelSource(
            name="product",
            type="mixpanel",
            project_id="7",
            username="u",
            secret="s",
            events={"Export": {"dimension_id": "exports", "value": value}},
        )

    event = {"event": "Export", "properties": {"time": 1772366400, "rows": 5, "$insert_id": "i"}}
    before = usage_row(mixpanel_project(product("nothing")), event)
    after = usage_row(mixpanel_project(product("rows")), before)
    assert (before["value"], after["value"]) == (None, 5)
    assert after["id"] == before["id"]


def test_cost_lines_are_replayed_too(tmp_path, warehouse):
    """As if a later version of ours could read what this one cannot."""
    day = {"ChargePeriodStart": "2026-03-01T00:00:00Z", "ChargePeriodEnd": "2026-03-02T00:00:00Z"}
    month = {
        "BillingPeriodStart": "2026-03-01T00:00:00Z",
        "BillingPeriodEnd": "2026-04-01T00:00:00Z",
    }
    rest = {"ServiceName": "S3", "EffectiveCost": "1", "BillingCurrency": "USD"}
    line = {**day, **month, **rest, "ChargeCategory": "Usage", "BilledCost": "oops"}
    (tmp_path / "bill.csv").write_text(f"{','.join(line)}\n{','.join(line.values())}\n")
    bill = FocusSource(name="bill", type="focus", path="*.csv")
    assert pull(bill, warehouse, AS_OF, directory=tmp_path).quarantined_count == 1
    assert replay_quarantine(warehouse, bill, AS_OF).replayed_count == 0
    assert len(rows_of(warehouse, raw.deliveries, "delivery_id")) == 1
    with warehouse.begin() as connection:
        delivery_id = connection.execute(select(raw.deliveries.c.delivery_id)).scalar_one()
        connection.execute(
            insert(raw.quarantine).values(
                delivery_id=delivery_id,
                row_number=9,
                reason="bad_value",
                detail="",
                record=json.dumps({**line, "BilledCost": "1"}),
                quarantined_at=AS_OF,
            )
        )
    assert replay_quarantine(warehouse, bill, AS_OF).replayed_count == 1
    assert rows_of(warehouse, raw.cost_lines, "billed_cost") == [(Decimal(1),)]


def test_a_source_is_checked_without_landing_anything(tmp_path, warehouse):
    (tmp_path / "a.jsonl").write_text("{}\n")
    assert check_source(source(), tmp_path) == []
    [problem] = check_source(source().model_copy(update={"path": "b.jsonl"}), tmp_path)
    assert "there is no file" in problem
    assert rows_of(warehouse, raw.deliveries, "delivery_id") == []
