"""Mixpanel: a day lands whole or not at all, and looking back finds what came late."""

import base64
import gzip
import json
import threading
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select

from assets.ingestion import plans
from assets.ingestion.bookkeeping import source_state
from assets.ingestion.pulling import pull
from connectors import mixpanel
from connectors.deliveries import SourceUnavailable
from models.settings import MixpanelSource
from models.tables import raw

AS_OF = datetime(2026, 3, 10, 15, tzinfo=UTC)


class Exports:
    """What the server answers: events by day, and the faults to come first."""

    def __init__(self):
        self.events = []
        self.faults = []
        self.requests = []
        self.is_zipped = True

    def add(self, day, name="Report Exported", number=0, **properties):
        moment = datetime.fromisoformat(f"{day}T10:00:00+00:00").timestamp()
        properties = {
            "time": int(moment),
            "distinct_id": "user-1",
            "$insert_id": f"i{number}",
            "tenant": "acme",
            **properties,
        }
        self.events.append((day, {"event": name, "properties": properties}))

    def body(self, query):
        wanted = json.loads(query["event"][0])
        first, last = query["from_date"][0], query["to_date"][0]
        found = [e for day, e in self.events if first <= day <= last and e["event"] in wanted]
        return "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in found).encode()


class Handler(BaseHTTPRequestHandler):
    """One request; the server carries the exports that it answers from."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        exports = self.server.exports
        query = parse_qs(urlsplit(self.path).query)
        exports.requests.append((query["from_date"][0], query["to_date"][0]))
        secret = base64.b64encode(b"robot:s3cret").decode()
        if self.headers["Authorization"] != f"Basic {secret}" or query["project_id"] != ["7"]:
            self.answer(401, b"")
            return
        fault = exports.faults.pop(0) if exports.faults else None
        if isinstance(fault, tuple):
            status, headers = fault
            self.answer(status, b"", headers)
        else:
            self.answer_export(exports.body(query), fault, is_zipped=exports.is_zipped)

    def answer_export(self, body, fault, *, is_zipped):
        zipped = {"Content-Encoding": "gzip"}
        if fault == "drop":
            self.answer(200, body, {"Content-Length": str(len(body) + 100)})
            self.close_connection = True
        elif fault == "cut gzip":
            self.answer(200, gzip.compress(body)[:-9], zipped)
        else:
            body = fault(body) if fault else body
            if is_zipped and body:
                self.answer(200, gzip.compress(body), zipped)
            else:
                self.answer(200, body)

    def answer(self, status, body, headers=None):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def exports():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.exports = Exports()
    server.exports.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    yield server.exports
    server.shutdown()
    server.server_close()


@pytest.fixture
def naps(monkeypatch):
    """The seconds that a pull wanted to sleep; it does not."""
    slept = []
    original = plans.mixpanel_project

    def restless(source):
        project = original(source)
        return mixpanel.MixpanelProject(
            **{name: getattr(project, name) for name in project.__slots__ if name != "sleep"},
            sleep=slept.append,
        )

    monkeypatch.setattr(plans, "mixpanel_project", restless)
    return slept


def source(exports, **settings):
    settings = {
        "events": {"Report Exported": {"dimension_id": "exports"}},
        "fields": {"tenant_id": "properties.tenant"},
        "secret": "s3cret",
        "lookback_days": 2,
        **settings,
    }
    return MixpanelSource(
        name="product",
        type="mixpanel",
        project_id="7",
        username="robot",
        api_base=exports.url,
        **settings,
    )


def records(warehouse, *columns):
    table = raw.usage_records.c
    with warehouse.begin() as connection:
        statement = select(*[table[name] for name in columns]).order_by(table.occurred_at)
        return [tuple(row) for row in connection.execute(statement)]


def objects(warehouse):
    table = raw.deliveries.c
    with warehouse.begin() as connection:
        statement = select(table.object, table.delivered_count).order_by(table.delivery_id)
        return [tuple(row) for row in connection.execute(statement)]


def test_events_become_usage_by_day(exports, warehouse):
    exports.add("2026-03-08", number=1)
    exports.add("2026-03-09", number=2)
    exports.add("2026-03-09", number=3, name="Something Else")
    exports.add("2026-03-10", number=4)
    report = pull(source(exports), warehouse, AS_OF)
    assert (report.delivery_count, report.delivered_count) == (3, 3)
    # The running day is there, but only the days before it are complete.
    assert report.complete_until == datetime(2026, 3, 10, tzinfo=UTC)
    columns = ("occurred_at", "tenant_id", "dimension_id", "value")
    assert records(warehouse, *columns)[0] == (
        datetime(2026, 3, 8, 10, tzinfo=UTC),
        "acme",
        "exports",
        1,
    )
    assert objects(warehouse) == [
        ("day 2026-03-08", 1),
        ("day 2026-03-09", 1),
        ("day 2026-03-10", 1),
    ]
    assert exports.requests == [("2026-03-08", "2026-03-10")]


def test_an_unchanged_day_lands_nothing_whatever_the_order_of_its_lines(exports, warehouse):
    for number in range(5):
        exports.add("2026-03-09", number=number)
    pull(source(exports), warehouse, AS_OF)
    exports.events.reverse()
    report = pull(source(exports), warehouse, AS_OF)
    assert (report.delivery_count, report.skipped_count) == (0, 3)


def test_a_late_event_is_found_by_looking_back(exports, warehouse):
    exports.add("2026-03-08", number=1)
    pull(source(exports), warehouse, AS_OF)
    exports.add("2026-03-08", number=2)
    report = pull(source(exports), warehouse, AS_OF)
    assert (report.delivery_count, report.delivered_count) == (1, 2)


@pytest.mark.parametrize(
    ("settings", "properties", "value"),
    [
        ({"value": 3}, {}, 3),
        ({"value": "rows"}, {"rows": 12}, 12),
        ({"value": "properties.rows"}, {"rows": "12.5"}, 12.5),
        ({"value": "size.mb"}, {"size": {"mb": 4}}, 4),
        ({}, {}, 1),
    ],
)
def test_the_value_is_a_number_or_a_property(exports, warehouse, settings, properties, value):
    exports.add("2026-03-09", **properties)
    rule = {"Report Exported": {"dimension_id": "exports", **settings}}
    pull(source(exports, events=rule), warehouse, AS_OF)
    assert records(warehouse, "value") == [(value,)]


def test_an_event_without_its_value_is_quarantined(exports, warehouse):
    exports.add("2026-03-09", number=1)
    exports.add("2026-03-09", number=2, rows=7)
    rule = {"Report Exported": {"dimension_id": "exports", "value": "rows"}}
    report = pull(source(exports, events=rule), warehouse, AS_OF)
    assert report.quarantined_by_reason == {"missing_field": 1}
    assert report.landed_count == 1


def test_the_same_event_has_the_same_id_wherever_it_is_exported(exports, warehouse):
    exports.add("2026-03-09", number=1, mp_processing_time_ms=1)
    exports.add("2026-03-09", number=1, mp_processing_time_ms=2)
    exports.add("2026-03-09", number=1, distinct_id="user-2")
    exports.add("2026-03-09", number=2)
    pull(source(exports), warehouse, AS_OF)
    ids = [record_id for (record_id,) in records(warehouse, "record_id")]
    assert (len(ids), len(set(ids))) == (4, 3)


def test_events_of_old_without_insert_id_are_known_by_their_line(exports, warehouse):
    exports.add("2026-03-09", number=1)
    exports.add("2026-03-09", number=1, plan="x")
    for _, event in exports.events:
        del event["properties"]["$insert_id"]
    pull(source(exports), warehouse, AS_OF)
    assert len(set(records(warehouse, "record_id"))) == 2


def test_line_separators_of_unicode_are_data(exports, warehouse):
    exports.add("2026-03-09", tenant="a\u2028b\x85c")
    pull(source(exports), warehouse, AS_OF)
    assert records(warehouse, "tenant_id") == [("a\u2028b\x85c",)]


def test_times_of_old_projects_are_local_times(exports, warehouse):
    """10:00 as exported is 10:00 on the project's clock, in Berlin 09:00 UTC."""
    exports.add("2026-03-09")
    report = pull(source(exports, project_timezone="Europe/Berlin"), warehouse, AS_OF)
    assert records(warehouse, "occurred_at") == [(datetime(2026, 3, 9, 9, tzinfo=UTC),)]
    assert report.complete_until == datetime(2026, 3, 9, 23, tzinfo=UTC)


def cut_mid_line(body):
    return body[:-5]


def without_last_line_end(body):
    return body[:-1]


def terminated(body):
    return body + b"export terminated early\n"


def only_terminated(_):
    return b"terminated early"


def html(_):
    return b"<html>busy</html>\n"


def endless(_):
    return b"x" * (5 << 20)


FAULTS = [cut_mid_line, without_last_line_end, terminated, only_terminated, html, "drop"]


@pytest.mark.parametrize("fault", [*FAULTS, "cut gzip"])
@pytest.mark.parametrize("zipped", [True, False])
def test_an_export_that_breaks_off_within_a_200_is_asked_for_again(
    exports, warehouse, naps, fault, zipped
):
    exports.is_zipped = zipped
    exports.add("2026-03-09", number=1)
    exports.add("2026-03-10", number=2)
    exports.faults = [fault]
    assert pull(source(exports), warehouse, AS_OF).delivered_count == 2
    assert naps == [2.0]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_day_that_stays_broken_is_not_landed_at_all(exports, warehouse, naps, fault):
    exports.add("2026-03-10", number=1)
    exports.add("2026-03-10", number=2)
    exports.faults = [fault] * 20
    with pytest.raises(SourceUnavailable, match="the export of 2026-03-10 stays broken"):
        pull(source(exports, lookback_days=0), warehouse, AS_OF)
    assert (objects(warehouse), records(warehouse, "value")) == ([], [])
    assert source_state(warehouse, "product").complete_until is None
    assert naps == [2.0, 4.0, 8.0, 16.0]


def test_a_range_that_breaks_off_is_asked_for_in_halves(exports, warehouse, naps):
    for day in range(1, 11):
        exports.add(f"2026-03-{day:02d}", number=day)
    exports.faults = [terminated, terminated]
    report = pull(source(exports, lookback_days=9), warehouse, AS_OF)
    assert report.delivered_count == 10
    assert exports.requests == [
        ("2026-03-01", "2026-03-10"),
        ("2026-03-01", "2026-03-10"),
        ("2026-03-01", "2026-03-05"),
        ("2026-03-06", "2026-03-10"),
    ]
    assert len(naps) == 1


def test_days_that_are_too_much_at_once_are_asked_for_apart(exports, warehouse, monkeypatch):
    for day in range(1, 11):
        exports.add(f"2026-03-{day:02d}", number=10 + day)
    of_one = len(json.dumps(exports.events[0][1]) + "\n")
    monkeypatch.setattr(mixpanel, "MOST_BYTES_AT_ONCE", 5 * of_one)
    report = pull(source(exports, lookback_days=9), warehouse, AS_OF)
    assert report.delivered_count == 10
    assert exports.requests == [
        ("2026-03-01", "2026-03-10"),
        ("2026-03-01", "2026-03-05"),
        ("2026-03-06", "2026-03-10"),
    ]
    # One day has to be taken as it is.
    monkeypatch.setattr(mixpanel, "MOST_BYTES_AT_ONCE", 1)
    exports.add("2026-03-10", number=21)
    assert pull(source(exports, lookback_days=1), warehouse, AS_OF).delivered_count == 2


def test_an_endless_line_is_refused_before_it_fills_the_memory(exports, warehouse, naps):
    exports.faults = [endless] * 5
    with pytest.raises(SourceUnavailable, match="line 1 is longer than 4194304 bytes"):
        pull(source(exports, lookback_days=0), warehouse, AS_OF)
    assert len(naps) == 4


def test_a_spent_limit_is_waited_for_as_the_server_asks(exports, warehouse, naps):
    exports.add("2026-03-09")
    exports.faults = [(429, {"Retry-After": "3"}), (503, {}), (500, {})]
    assert pull(source(exports), warehouse, AS_OF).delivered_count == 1
    assert naps == [3.0, 4.0, 8.0]


def test_a_history_waits_for_its_next_hour_of_requests(exports, warehouse, naps):
    window = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 10, tzinfo=UTC))
    exports.add("2026-01-01", number=1)
    exports.add("2026-03-09", number=2)
    exports.faults = [None, None, (429, {"Retry-After": "3600"}), (429, {})]
    report = pull(source(exports), warehouse, AS_OF, window)
    assert (report.delivered_count, report.complete_until) == (2, window[1])
    assert naps == [3600.0, 900.0]


def test_every_kind_of_trouble_counts_as_an_attempt(exports, warehouse, naps):
    exports.add("2026-03-10")
    exports.faults = [(503, {}), html, html, html, html, html]
    with pytest.raises(SourceUnavailable, match="stays broken"):
        pull(source(exports, lookback_days=0), warehouse, AS_OF)
    assert (len(exports.requests), len(naps)) == (5, 4)


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ([(429, {})] * 9, "limit of requests is spent"),
        ([(429, {"Retry-After": "3600"})], "limit of requests is spent"),
        ([(503, {})] * 9, "answers 503"),
        ([(400, {})], "answers 400"),
    ],
)
def test_attempts_are_bounded(exports, warehouse, naps, faults, message):
    exports.faults = faults
    with pytest.raises(SourceUnavailable, match=message) as failure:
        pull(source(exports), warehouse, AS_OF)
    assert "s3cret" not in str(failure.value)
    assert len(exports.requests) <= 5
    assert sum(naps) < 600


def test_a_wrong_secret_is_told_at_once_and_not_shown(exports, warehouse):
    with pytest.raises(SourceUnavailable, match="refuses the service account") as failure:
        pull(source(exports, secret="wr0ng"), warehouse, AS_OF)
    assert "wr0ng" not in str(failure.value)
    assert len(exports.requests) == 1
    assert "wr0ng" not in repr(plans.mixpanel_project(source(exports, secret="wr0ng")))


def test_a_dead_server_is_told(exports, warehouse, naps):
    dead = source(exports).model_copy(update={"api_base": "http://127.0.0.1:1"})
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        pull(dead, warehouse, AS_OF)
    assert len(naps) == 4


def test_a_backfill_takes_few_requests_and_joins_the_watermark(exports, warehouse):
    window = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))
    report = pull(source(exports), warehouse, AS_OF, window)
    assert report.delivery_count == 59
    assert exports.requests == [("2026-01-01", "2026-01-31"), ("2026-02-01", "2026-02-28")]
    assert report.complete_until == window[1]
    # A window behind a gap cannot move it; the next whole pull reaches back to it.
    window = (datetime(2026, 3, 5, tzinfo=UTC), datetime(2026, 3, 6, tzinfo=UTC))
    report = pull(source(exports), warehouse, AS_OF, window)
    assert report.complete_until == datetime(2026, 3, 1, tzinfo=UTC)
    exports.requests.clear()
    report = pull(source(exports), warehouse, AS_OF)
    assert exports.requests == [("2026-03-01", "2026-03-10")]
    assert report.complete_until == datetime(2026, 3, 10, tzinfo=UTC)


def test_the_first_pull_begins_at_the_start_date(exports, warehouse):
    pull(source(exports, start_date=date(2026, 2, 20)), warehouse, AS_OF)
    assert exports.requests == [("2026-02-20", "2026-03-10")]


def test_an_event_whose_time_cannot_be_read_is_kept_in_quarantine(exports, warehouse):
    exports.add("2026-03-09", time="yesterday")
    report = pull(source(exports), warehouse, AS_OF)
    assert report.quarantined_by_reason == {"bad_timestamp": 1}
