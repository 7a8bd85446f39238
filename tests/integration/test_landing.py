"""Landing: every delivered row is in the landing table or in quarantine, once."""

import io
import json
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import func, select

from assets.ingestion import chunks
from assets.ingestion.bookkeeping import LandingReport, Pull
from assets.ingestion.landing import land_costs, land_usage
from connectors.deliveries import Delivery, DeliveryFailed, SourceUnavailable, Unreadable
from connectors.file_formats import read_blocks
from connectors.partitions import ensure_days
from models.delivered import Reason
from models.tables import ops, raw

NOW = datetime(2026, 4, 1, tzinfo=UTC)


def usage(record_id, **fields):
    row = {
        "id": record_id,
        "timestamp": "2026-03-01T00:00:00Z",
        "tenant_id": "acme",
        "dimension_id": "calls",
        "value": "1",
    }
    return {**row, **fields}


def cost(amount):
    return {
        "ChargePeriodStart": "2026-03-01T00:00:00Z",
        "ChargePeriodEnd": "2026-03-02T00:00:00Z",
        "BillingPeriodStart": "2026-03-01T00:00:00Z",
        "BillingPeriodEnd": "2026-04-01T00:00:00Z",
        "ChargeCategory": "Usage",
        "ServiceName": "S3",
        "BilledCost": amount,
        "EffectiveCost": amount,
        "BillingCurrency": "USD",
    }


def delivery(name, rows, *, version="1", cursor=None):
    return Delivery(name, version, lambda: iter(enumerate(rows, start=1)), cursor)


def land(warehouse, deliveries, *, how=land_usage, progress=None, **settings):
    pull = Pull("p1", "gateway", NOW, **settings)
    if progress is not None:
        pull = Pull("p1", "gateway", NOW, progress=progress)
    report = LandingReport()
    ensure_days(warehouse, raw.usage_records, pull.landed_on)
    how(warehouse, pull, deliveries, report)
    return report


def rows_of(warehouse, table, *columns):
    chosen = [table.c[name] for name in columns] or [table]
    with warehouse.begin() as connection:
        return [tuple(row) for row in connection.execute(select(*chosen).order_by(*chosen))]


def count(warehouse, table):
    with warehouse.begin() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar()


def test_a_record_lands_exactly_as_delivered(warehouse):
    row = usage("a", value="12345678901234567890123456789.123456789", metadata='{"n": 1.10}')
    land(warehouse, [delivery("f", [row])])
    with warehouse.begin() as connection:
        landed = connection.execute(select(raw.usage_records)).one()
        # The digits of a number stay as they were, those of `1.10` included.
        today = connection.exec_driver_sql("select landed_at::date from raw.deliveries").scalar()
        text = connection.exec_driver_sql("select metadata::text from raw.usage_records").scalar()
    assert landed.value == Decimal("12345678901234567890123456789.123456789")
    assert landed.occurred_at == datetime(2026, 3, 1, tzinfo=UTC)
    assert (landed.landed_on, landed.record_id, landed.row_number) == (today, "a", 1)
    assert text == '{"n":1.10}'


def test_delivered_is_landed_plus_quarantined(warehouse):
    bad = [
        usage("b", value="NaN"),
        Unreadable(Reason.UNREADABLE_ROW, "not JSON", "{oops\x00 \ud800"),
        usage("c", tenant_id="x\x00y"),
    ]
    report = land(warehouse, [delivery("f", [usage("a"), *bad])])
    assert (report.delivered_count, report.landed_count, report.quarantined_count) == (4, 1, 3)
    assert rows_of(warehouse, raw.quarantine, "row_number", "reason") == [
        (2, "bad_value"),
        (3, "unreadable_row"),
        (4, "invalid_encoding"),
    ]
    counts = ("delivered_count", "landed_count", "quarantined_count", "rounded_count")
    assert rows_of(warehouse, raw.deliveries, *counts) == [(4, 1, 3, 0)]


def test_a_version_lands_once_and_a_new_version_again(warehouse):
    first = delivery("f", [usage("a")])
    land(warehouse, [first])
    again = land(warehouse, [first, delivery("f", [usage("a"), usage("b")], version="2")])
    assert (again.skipped_count, again.delivery_count, again.landed_count) == (1, 1, 2)
    assert rows_of(warehouse, raw.deliveries, "object", "version") == [("f", "1"), ("f", "2")]


def test_a_delivery_landed_by_another_pull_meanwhile_is_skipped(warehouse):
    def deliveries():
        land(warehouse, [delivery("f", [usage("a")])])
        yield delivery("f", [usage("a")])

    report = land(warehouse, deliveries())
    assert (report.skipped_count, report.delivery_count) == (1, 0)
    assert count(warehouse, raw.usage_records) == 1


def test_a_source_that_breaks_off_leaves_whole_deliveries_only(warehouse, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 2)

    def breaking():
        for number in range(5):
            yield number + 1, usage(f"b{number}")
        raise SourceUnavailable("gateway", "the connection broke", "Try again")

    deliveries = [
        delivery("first", [usage("a")], cursor={"at": 1}),
        Delivery("second", "1", breaking, {"at": 2}),
    ]
    with pytest.raises(SourceUnavailable):
        land(warehouse, deliveries)
    assert rows_of(warehouse, raw.deliveries, "object") == [("first",)]
    assert count(warehouse, raw.usage_records) == 1
    assert rows_of(warehouse, ops.source_states, "cursor") == [({"at": 1},)]
    # The next pull resumes: the first is skipped, the second lands.
    deliveries[1] = delivery("second", [usage("b0")], cursor={"at": 2})
    assert land(warehouse, deliveries).landed_count == 1
    assert rows_of(warehouse, ops.source_states, "cursor") == [({"at": 2},)]


PULLER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from assets.ingestion.pulling import pull
from connectors.warehouse import Warehouse
from models.settings import FileSource

print("pulling", flush=True)
pull(
    FileSource(name="logs", type="file", path="*.jsonl"),
    Warehouse(url=sys.argv[1]),
    datetime(2026, 4, 1, tzinfo=UTC),
    directory=Path(sys.argv[2]),
)
"""


def test_a_pull_that_is_killed_again_and_again_loses_and_doubles_nothing(warehouse, tmp_path):
    """Killed without warning at different moments, each time some deliveries further."""
    lines = [json.dumps(usage(f"r{number}")) + "\n" for number in range(20 * 500)]
    for file in range(20):
        rows = lines[file * 500 : (file + 1) * 500]
        (tmp_path / f"{file:02d}.jsonl").write_text("".join(rows))
    command = [sys.executable, "-c", PULLER, warehouse.url, str(tmp_path)]
    for seconds in (0.05, 0.2, 0.4):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
        process.stdout.readline()
        time.sleep(seconds)
        process.kill()
        process.communicate()
        # One statement, one snapshot: the server may still finish what the killed one had sent.
        landed = select(func.coalesce(func.sum(raw.deliveries.c.landed_count), 0))
        there = select(func.count()).select_from(raw.usage_records)
        with warehouse.begin() as connection:
            both = select(landed.scalar_subquery(), there.scalar_subquery())
            told, found = connection.execute(both).one()
        assert told == found
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
    assert count(warehouse, raw.deliveries) == 20
    assert count(warehouse, raw.usage_records) == len(lines)


def test_one_failed_delivery_does_not_hold_the_others(warehouse):
    def failing():
        raise DeliveryFailed("gateway", "it is broken", "Mend it")
        yield

    report = land(warehouse, [Delivery("bad", "1", failing), delivery("good", [usage("a")])])
    assert [failure.what for failure in report.failures] == ["it is broken"]
    assert rows_of(warehouse, raw.deliveries, "object") == [("good",)]


def test_rows_come_in_chunks_of_bounded_size(warehouse, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 10)
    seen = []
    rows = [usage(f"r{number}") for number in range(25)]
    land(warehouse, [delivery("f", rows)], progress=lambda name, done: seen.append((name, done)))
    assert seen[:3] == [("f", 10), ("f", 20), ("f", 25)]
    assert count(warehouse, raw.usage_records) == 25


def test_digits_beyond_the_ninth_are_rounded_and_counted(warehouse):
    report = land(warehouse, [delivery("f", [usage("a", value="0.0000000005"), usage("b")])])
    assert report.rounded_count == 1
    assert rows_of(warehouse, raw.deliveries, "rounded_count") == [(1,)]


def test_a_bill_that_returns_to_an_earlier_state_is_news(warehouse):
    for version in ("one", "two", "two", "one", "one"):
        land(warehouse, [delivery("day", [cost("1")], version=version)], how=land_costs)
    with warehouse.begin() as connection:
        versions = connection.execute(
            select(raw.deliveries.c.version).order_by(raw.deliveries.c.delivery_id)
        ).scalars()
        assert list(versions) == ["one", "two", "one~3"]


def test_cost_lines_keep_every_digit_of_a_cost(warehouse):
    report = land(
        warehouse, [delivery("day", [cost("-0.123456789012"), cost("x")])], how=land_costs
    )
    assert (report.landed_count, report.quarantined_count) == (1, 1)
    assert rows_of(warehouse, raw.cost_lines, "billed_cost") == [(Decimal("-0.123456789012"),)]


def file_of(rows):
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return lambda: read_blocks(io.BytesIO(data), "jsonl")


def native(name, blocks, **settings):
    return Delivery(name, "1", lambda: iter(()), blocks=blocks, **settings)


ODD = [
    {"value": "12345678901234567890123456789.123456789", "metadata": {"n": 1, "t": "\u2028é"}},
    {"value": "-0.000000001", "timestamp": "2026-03-01T02:30:00.123456789+05:30"},
    {"value": 17, "corrects": "other", "tenant_id": 'a\tb"c\\d'},
    {"value": "0", "metadata": '{"a":1.50,"b":null}'},
    {"value": "1e3"},
    {"value": "NaN"},
    {"id": None, "value": "99999999.5"},
]


def test_what_is_read_natively_lands_as_what_is_read_row_by_row(warehouse):
    rows = [usage(f"r{number}", **ODD[number % len(ODD)]) for number in range(2_100)]
    report = land(warehouse, [native("blocks", file_of(rows)), delivery("rows", rows)])
    assert (report.landed_count, report.quarantined_count) == (3_600, 600)
    columns = ["row_number", "record_key", "occurred_at", "tenant_id", "dimension_id", "value"]
    columns += ["record_id", "metadata::text", "corrects", "landed_on"]
    query = f"select {', '.join(columns)} from raw.usage_records where delivery_id = "
    with warehouse.begin() as connection:
        one, other = (
            connection.exec_driver_sql(f"{query} {number} order by row_number").all()
            for number in report.delivery_ids
        )
    assert one == other
    assert len(one) == 1_800


def test_files_land_at_the_same_time_with_ids_in_the_order_of_their_listing(warehouse):
    second_has_begun = threading.Event()

    def waiting():
        assert second_has_begun.wait(60)
        yield from file_of([usage("a")])()

    def telling():
        second_has_begun.set()
        yield from file_of([usage("b")])()

    report = land(warehouse, [native("first", waiting), native("second", telling)])
    assert report.landed_count == 2
    assert report.delivery_ids == sorted(report.delivery_ids)
    names = rows_of(warehouse, raw.deliveries, "delivery_id", "object")
    assert [name for _, name in names] == ["first", "second"]


@pytest.mark.parametrize("error", [DeliveryFailed, SourceUnavailable])
def test_what_breaks_in_one_file_leaves_the_others_alone(error, warehouse):
    def breaking():
        yield from file_of([usage(f"b{number}") for number in range(200)])()
        raise error("gateway", "it is broken", "Mend it")

    deliveries = [native("good", file_of([usage("a")])), native("bad", breaking)]
    if error is DeliveryFailed:
        report = land(warehouse, [*deliveries, native("late", file_of([usage("c")]))])
        assert [failure.what for failure in report.failures] == ["it is broken"]
        expected = ["good", "late"]
    else:
        with pytest.raises(SourceUnavailable):
            land(warehouse, deliveries)
        expected = ["good"]
    landed = rows_of(warehouse, raw.deliveries, "delivery_id", "object")
    assert [name for _, name in landed] == expected
    assert count(warehouse, raw.usage_records) == len(expected)


def test_an_interrupted_pull_ends_what_it_was_at(warehouse):
    """Whoever presses Ctrl-C waits for the block at hand, not for the file."""
    has_begun = threading.Event()

    def endless():
        has_begun.set()
        while True:
            yield from file_of([usage("a")])()

    def deliveries():
        yield native("endless", endless)
        assert has_begun.wait(60)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        land(warehouse, deliveries())
    assert count(warehouse, raw.deliveries) == 0
    assert count(warehouse, raw.usage_records) == 0
