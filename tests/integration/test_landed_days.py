"""Days of landing: dropped when the journal has all of them, and missed by nobody."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Table, insert, text

from assets.checks.frozen_rows import landed_rows_are_guarded, new_entries_are_as_booked
from assets.checks.landed_batches import landed_batches
from assets.checks.verification import landed_since, no_entry_was_taken_away
from assets.ingestion.refused import list_refused
from assets.ingestion.replay import ALL, replay_quarantine
from assets.retention.landed_days import LandingRefused, drop_landed_days
from connectors.partitions import drop_day
from connectors.warehouse import WarehouseBusy
from models.settings import FileSource
from models.tables import ops
from tests.pipeline import JOURNAL, Pipeline

AS_OF = datetime(2026, 11, 21, tzinfo=UTC)
ROW = {"timestamp": "2026-09-01T00:00:00Z", "tenant_id": "acme", "dimension_id": "calls"}


def usage(record_id: str, value: str = "1") -> dict[str, str]:
    return {**ROW, "id": record_id, "value": value}


@pytest.fixture
def land(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def land(days_ago: int, *rows: dict[str, Any], is_journaled: bool = True) -> None:
        """Deliver rows as if it were some days ago."""
        landed_at = datetime.now(UTC) - timedelta(days=days_ago)
        with monkeypatch.context() as patch:
            patch.setattr("assets.ingestion.bookkeeping.datetime", fixed(landed_at))
            pipeline.deliver("logs", list(rows), f"{days_ago}-{len(rows)}")
        if is_journaled:
            pipeline.build(AS_OF, *JOURNAL)

    return land


def fixed(instant: datetime) -> type[datetime]:
    class Fixed(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return instant.astimezone(tz)

    return Fixed


def today():
    """Return the UTC day, anew each time: a run of all tests may last over midnight."""
    return datetime.now(UTC).date()


def ago(days: int) -> date:
    return today() - timedelta(days=days)


def dropped(pipeline: Pipeline, before: date) -> tuple[list[date], list[tuple[date, str]]]:
    report = drop_landed_days(pipeline.warehouse, before, datetime.now(UTC))
    return [day.day for day in report.dropped], [(day.day, day.reason) for day in report.kept]


def landed(pipeline: Pipeline) -> list[str]:
    found = pipeline.rows("select record_id from raw.usage_records order by record_id")
    return [row.record_id for row in found]


def test_journaled_days_are_dropped_and_the_others_say_why_they_stay(
    pipeline: Pipeline, land: Callable[..., None]
) -> None:
    land(9, usage("a"), usage("b"))
    land(5, usage("c"))
    land(3, usage("d"), is_journaled=False)
    days, kept = dropped(pipeline, ago(4))
    assert days == [ago(9), ago(8), ago(5)]
    assert kept == []
    # The day that was made ahead of a pull, four days ago, is empty.
    days, kept = dropped(pipeline, today())
    assert days == [ago(4), ago(2)]
    assert [day for day, _ in kept] == [ago(3)]
    assert "1 of its 1 deliveries are not journaled yet" in kept[0][1]
    assert landed(pipeline) == ["d"]
    pipeline.build(AS_OF, *JOURNAL)
    assert dropped(pipeline, today()) == ([ago(3)], [])
    found = pipeline.rows("select landed_on, delivery_count, row_count from ops.dropped_days")
    assert sorted(map(tuple, found)) == [(ago(9), 1, 2), (ago(5), 1, 1), (ago(3), 1, 1)]


def test_today_is_refused(pipeline: Pipeline, land: Callable[..., None]) -> None:
    land(0, usage("a"))
    with pytest.raises(LandingRefused, match="is after today"):
        dropped(pipeline, today() + timedelta(days=1))
    assert dropped(pipeline, today()) == ([], [])
    assert landed(pipeline) == ["a"]


def test_what_depends_on_landed_rows_goes_on_without_them(
    pipeline: Pipeline, land: Callable[..., None]
) -> None:
    land(9, usage("a"), usage("a", "2"), {**ROW, "id": "unreadable", "count": "3"})
    before = pipeline.rows("select entries::text from journal.jnl_usage_entries as entries")
    [refused] = list_refused(pipeline.warehouse, ALL)
    dropped(pipeline, today())
    assert landed(pipeline) == []

    # What was refused is kept, what could not be read is replayed, what comes again is known.
    assert list_refused(pipeline.warehouse, ALL) == [refused]
    assert refused.record["value"] == 2
    mapped = FileSource(name="logs", type="file", path="*", fields={"value": "count"})
    assert replay_quarantine(pipeline.warehouse, mapped, AS_OF).replayed_count == 1
    land(0, usage("a"), usage("b"))
    after = pipeline.rows("select entries::text from journal.jnl_usage_entries as entries")
    assert set(before) < set(after)
    assert len(after) == len(before) + 2

    warehouse = pipeline.warehouse
    assert all(result.passed for result in landed_batches(warehouse))
    for check in (no_entry_was_taken_away, new_entries_are_as_booked, landed_rows_are_guarded):
        assert check(warehouse).passed
    with warehouse.begin() as connection:
        books, _ = landed_since(connection, "usage", datetime(2020, 1, 1, tzinfo=UTC))
    assert books
    assert all(book["landed_count"] == book["rows_in_table"] for book in books)


def test_a_source_that_lands_meanwhile_is_waited_for(
    pipeline: Pipeline, land: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    land(9, usage("a"))
    monkeypatch.setattr("assets.retention.landed_days.LOCK_WAIT_SECONDS", 0)
    with pipeline.warehouse.locked("pull logs"), pytest.raises(WarehouseBusy):
        dropped(pipeline, today())
    assert landed(pipeline) == ["a"]


def test_days_that_a_source_still_compares_with_stay(
    pipeline: Pipeline, land: Callable[..., None]
) -> None:
    land(9, usage("a"))
    [delivery] = pipeline.rows("select object, version from raw.deliveries")
    with pipeline.warehouse.begin() as connection:
        cursor = {"recent": [[delivery.object, delivery.version, "7"]]}
        connection.execute(text("delete from ops.source_states"))
        connection.execute(insert(ops.source_states).values(source="logs", cursor=cursor))
    days, [(day, reason)] = dropped(pipeline, today())
    assert (days, day) == ([ago(8)], ago(9))
    assert "compares" in reason


def test_a_drop_that_is_interrupted_drops_nothing(
    pipeline: Pipeline, land: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    land(9, usage("a"))
    land(5, usage("b"))

    def interrupted(connection: Connection, table: Table, day: date) -> None:
        drop_day(connection, table, day)
        if day > ago(6):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("assets.retention.landed_days.drop_day", interrupted)
        with pytest.raises(KeyboardInterrupt):
            dropped(pipeline, today())
    assert landed(pipeline) == ["a", "b"]
    assert pipeline.rows("select 1 from ops.dropped_days") == []
