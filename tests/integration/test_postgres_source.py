"""A product's own database: late commits are not missed, and an idle pull adds nothing."""

import json
import time
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from psycopg2 import extensions
from sqlalchemy import Text, cast, func, select, text

from assets.ingestion.bookkeeping import source_state
from assets.ingestion.pulling import pull
from connectors import postgres, postgres_stream
from connectors.deliveries import SourceUnavailable
from models.delivered import Rejection
from models.exact_json import NumberText
from models.settings import PostgresSource
from models.tables import raw
from models.usage import UsageReader, UsageRecord
from tests.integration.product_database import (
    AS_OF,
    add,
    insert,
    other_session,
    product_database,
    records,
    source,
)


@pytest.fixture
def app(warehouse):
    """The product's database."""
    with product_database(warehouse) as app:
        yield app


def test_rows_land_exactly(app):
    add(app, ("a", "2026-03-02", "12345678901234567890.123456789"))
    report = pull(source(app), app, AS_OF)
    assert (report.delivered_count, report.complete_until) == (1, AS_OF)
    with app.begin() as connection:
        row = connection.execute(select(raw.usage_records)).one()
        metadata = connection.execute(text("select metadata::text from raw.usage_records")).scalar()
    assert row.value == Decimal("12345678901234567890.123456789")
    assert row.occurred_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert (row.record_id, metadata) == ("a", '{"n": 1.10}')


def test_an_idle_pull_adds_nothing(app):
    add(app, ("a", "2026-03-02 00:00", "1"), ("b", "2026-03-02 00:05", "2"))
    pull(source(app), app, AS_OF)
    before = source_state(app, "app_db")
    for _ in range(3):
        report = pull(source(app), app, AS_OF)
        assert (report.delivery_count, report.delivered_count) == (0, 0)
    assert source_state(app, "app_db") == before


def test_only_what_is_new_comes_with_the_next_pull(app):
    add(app, ("a", "2026-03-02 00:00", "1"))
    pull(source(app), app, AS_OF)
    add(app, ("b", "2026-03-02 00:00", "2"), ("c", "2026-03-02 00:01", "3"))
    assert pull(source(app), app, AS_OF).delivered_count == 2
    assert records(app) == ["a", "b", "c"]


def test_a_row_committed_late_with_an_older_cursor_is_not_missed(app, monkeypatch):
    monkeypatch.setattr(postgres, "FIRST_WAIT_SECONDS", 0)
    add(app, ("a", "2026-03-02 00:00", "1"))
    with other_session(app) as slow:
        insert(slow, ("late", "2026-03-02 00:04", "4"))
        add(app, ("b", "2026-03-02 00:09", "2"))
        assert pull(source(app), app, AS_OF).delivered_count == 2
        slow.commit()
    assert pull(source(app), app, AS_OF).delivered_count == 1
    assert records(app) == ["a", "b", "late"]
    assert pull(source(app), app, AS_OF).delivered_count == 0


def test_a_late_page_does_not_move_the_cursor_back(app):
    add(app, ("a", "2026-03-02 00:10", "1"))
    pull(source(app), app, AS_OF)
    add(app, ("late", "2026-03-02 00:01", "1"))
    pull(source(app), app, AS_OF)
    add(app, ("b", "2026-03-02 00:20", "1"))
    assert pull(source(app), app, AS_OF).delivered_count == 1
    assert source_state(app, "app_db").cursor["high"] == "2026-03-02 00:20:00+00"
    assert pull(source(app), app, AS_OF).delivered_count == 0


def test_a_row_that_changes_in_the_overlap_comes_again(app):
    add(app, ("a", "2026-03-02 00:00", "1"))
    pull(source(app), app, AS_OF)
    with app.begin() as connection:
        connection.execute(
            text("update app.usage_events set amount = 2, updated_at = updated_at + interval '1m'")
        )
    assert pull(source(app), app, AS_OF).delivered_count == 1
    assert pull(source(app), app, AS_OF).delivered_count == 0


def test_bad_rows_of_the_overlap_are_quarantined_once(app):
    add(app, ("a", "2026-03-02 00:00", "NaN"), ("b", "2026-03-02 00:00", "1"))
    # Nothing would tell these from other rows, or from what they become.
    add(app, (None, "2026-03-02 00:00", "2"), (" ", "2026-03-02 00:00", "3"))
    quarantined = pull(source(app), app, AS_OF).quarantined_by_reason
    assert quarantined == {"bad_value": 1, "missing_field": 2}
    assert pull(source(app), app, AS_OF).delivered_count == 0


def test_pages_are_deliveries_and_an_interrupted_pull_goes_on(app, monkeypatch):
    monkeypatch.setattr(postgres_stream, "DELIVERY_ROWS", 10)
    add(app, *[(f"r{n:02d}", f"2026-03-02 {n // 60:02d}:{n % 60:02d}", "1") for n in range(95)])
    seen = []

    def interrupt(name, _):
        seen.append(name)
        # The progress of the fourth page: it has not been committed yet.
        if len(set(seen)) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(source(app), app, AS_OF, progress=interrupt)
    assert len(records(app)) == 30
    assert source_state(app, "app_db").complete_until is None
    report = pull(source(app), app, AS_OF)
    assert (report.delivery_count, report.delivered_count) == (7, 65)
    assert records(app) == [f"r{n:02d}" for n in range(95)]
    assert pull(source(app), app, AS_OF).delivered_count == 0


def test_an_interrupted_pull_leaves_nothing_open_at_the_source(app):
    add(app, *[(f"r{n}", "2026-03-02", "1") for n in range(5)])

    def interrupt(_name, _count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(source(app), app, AS_OF, progress=interrupt)
    open_sessions = text(
        "select count(*) from pg_stat_activity"
        " where datname = current_database() and query like 'copy (%'"
    )
    # The server takes a moment to notice that the other side is gone.
    for _ in range(100):
        with app.begin() as connection:
            found = connection.execute(open_sessions).scalar()
        if not found:
            break
        time.sleep(0.1)
    assert found == 0


def test_a_wrong_clock_does_not_hide_the_rows_to_come(app):
    add(app, ("future", "2999-01-01", "1"), ("a", "2026-03-02", "1"))
    assert pull(source(app), app, AS_OF).delivered_count == 2
    add(app, ("b", "now", "1"))
    assert pull(source(app), app, AS_OF).delivered_count == 1
    assert pull(source(app), app, AS_OF).delivered_count == 0
    assert records(app) == ["a", "b", "future"]


def test_rows_without_a_cursor_are_told(app):
    add(app, ("a", "2026-03-02", "1"), ("lost", None, "1"))
    with pytest.raises(SourceUnavailable, match="rows whose updated_at is null"):
        pull(source(app), app, AS_OF)
    assert records(app) == ["a"]
    assert source_state(app, "app_db").complete_until is None


def test_times_and_numbers_that_python_cannot_hold_are_quarantined_not_fatal(app):
    with app.begin() as connection:
        connection.execute(
            text(
                "insert into app.usage_events values"
                " ('a', 'infinity', 'acme', 'calls', 1, null, '2026-03-02'),"
                " ('b', '20260-01-01', 'acme', 'calls', 1, null, '2026-03-02'),"
                " ('c', '0044-03-15 BC', 'acme', 'calls', 1, null, '2026-03-02'),"
                " ('d', '2026-03-01', 'acme', 'calls', 'Infinity', null, 'infinity')"
            )
        )
    report = pull(source(app), app, AS_OF)
    assert report.quarantined_by_reason == {"bad_timestamp": 3, "bad_value": 1}
    assert pull(source(app), app, AS_OF).delivered_count == 0


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("bigint", ["1", "2", "3"]),
        ("numeric", ["1", "1.5", "20"]),
        ("date", ["2026-03-01", "2026-03-01", "2026-03-02"]),
        ("timestamp", ["2026-03-01 00:00", "2026-03-01 00:01", "2026-03-01 00:02"]),
    ],
)
def test_cursors_of_other_types(app, column, values):
    with app.begin() as connection:
        connection.execute(text("alter table app.usage_events drop column updated_at"))
        connection.execute(text(f"alter table app.usage_events add column updated_at {column}"))
    for number, value in enumerate(values):
        with app.begin() as connection:
            connection.execute(
                text(
                    f"insert into app.usage_events values ('r{number}', '2026-03-01', 'acme',"
                    f" 'calls', 1, null, '{value}')"
                )
            )
        assert pull(source(app, timezone="Europe/Berlin"), app, AS_OF).delivered_count == 1
        assert pull(source(app, timezone="Europe/Berlin"), app, AS_OF).delivered_count == 0
    assert records(app) == ["r0", "r1", "r2"]


def test_a_query_is_read_like_a_table(app):
    add(app, ("a", "2026-03-02", "1"), ("b", "2026-03-02", "2"))
    query = "select * from app.usage_events where id like '%b' -- only these;"
    assert pull(source(app, table=None, query=query), app, AS_OF).delivered_count == 1
    assert pull(source(app, table=None, query=query), app, AS_OF).delivered_count == 0
    assert records(app) == ["b"]


def test_the_source_is_never_written_to(app):
    add(app, ("a", "2026-03-02", "1"))
    query = "with gone as (delete from app.usage_events returning *) select * from gone"
    with pytest.raises(SourceUnavailable):
        pull(source(app, table=None, query=query), app, AS_OF)
    with app.begin() as connection:
        connection.execute(
            text(
                "create function app.sneaky() returns setof app.usage_events language sql as"
                " 'delete from app.usage_events returning *'"
            )
        )
    sneaky = source(app, table=None, query="select * from app.sneaky()")
    with pytest.raises(SourceUnavailable, match="read-only transaction"):
        pull(sneaky, app, AS_OF)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"table": "app.nothing"}, "does not exist"),
        ({"cursor": "nothing"}, "does not exist"),
        ({"cursor": "tenant"}, "neither a time nor a number"),
        ({"table": None, "query": "selec 1"}, "syntax error"),
        ({"url": "postgresql://u:s3cret@127.0.0.1:1/app"}, "refused"),
        ({"url": "postgresql://u:s3cret@127.0.0.1:notaport/app"}, "no database address"),
    ],
)
def test_what_is_wrong_with_a_source_is_told_without_its_password(app, settings, message):
    url = settings.pop("url", None)
    wrong = source(app, **settings)
    if url:
        wrong = PostgresSource(**{**wrong.model_dump(exclude={"url"}), "overlap": "1m", "url": url})
    with pytest.raises(SourceUnavailable, match=message) as failure:
        pull(wrong, app, AS_OF)
    assert "s3cret" not in str(failure.value)
    assert failure.value.remedy
    assert "s3cret" not in repr(postgres.PostgresTable("x", url or "", "at", table="t"))


WIDE = """
    create table app.wide (
        id bigint, at timestamptz, local timestamp, tenant text, dim varchar, amount numeric,
        fixed numeric(12, 2), ratio float8, flag boolean, small smallint, info jsonb, tags text[],
        name text
    )
"""
ODD = """
    insert into app.wide
    select
        n,
        (array['2026-03-01 10:00:00.123456+02', 'infinity', '0044-03-15 BC', null])[1 + n % 4]
            ::timestamptz,
        timestamp '2026-03-29 02:30' + n * interval '1 minute',
        (array['acme', '', ' ', null, 'back\\slash', e'tab\\there', '"quoted"', 'ü'])[1 + n % 8],
        'calls',
        (array['1.10', '0.0000001', 'NaN', '12345678901234567890.123456789', '-0', null])[1 + n % 6]
            ::numeric,
        n / 100.0,
        n / 7.0,
        n % 3 = 0,
        n,
        (array['{"a": 1.10, "b": "x\\"y"}', '{}', '[1]', '{"a": {"b": 1}}', null])[1 + n % 5]
            ::jsonb,
        array['a', null],
        (array['x', '', e'a\\\\b', e'line\\nend', null])[1 + n % 5]
    from generate_series(1, 240) as n
"""
MAPPED = [
    {"timestamp": "at", "tenant_id": "tenant", "dimension_id": "dim", "value": "amount"},
    {"timestamp": "local", "tenant_id": "dim", "dimension_id": "small", "value": "ratio"},
    {"timestamp": "local", "tenant_id": "fixed", "dimension_id": "flag", "value": "fixed"},
    {"timestamp": "local", "tenant_id": "amount", "dimension_id": "dim", "value": "small"},
    {"timestamp": "local", "tenant_id": "dim", "dimension_id": "ratio", "value": "info.a"},
]
METADATA = [
    "info",
    "name",
    "tags",
    {"amount": "amount", "fixed": "fixed", "ratio": "ratio", "flag": "flag", "small": "small"},
    {"name": "name", "at": "at", "deep": "info.b"},
    {"tags": "tags"},
]


@pytest.mark.parametrize("metadata", METADATA, ids=str)
@pytest.mark.parametrize("fields", MAPPED, ids=lambda fields: "-".join(fields.values()))
@pytest.mark.parametrize("timezone", ["UTC", "Europe/Berlin"])
def test_rows_are_read_as_if_each_were_read_by_itself(app, fields, metadata, timezone):
    """Held against psycopg2 and the reader of single rows; plain and odd ones are mixed."""
    with app.begin() as connection:
        connection.execute(text(WIDE))
        connection.execute(text(ODD))
    fields = {**fields, "metadata": metadata}
    wide = source(app, table="app.wide", cursor="id", fields=fields, timezone=timezone)
    pull(wide, app, AS_OF)
    reader = UsageReader("app_db", {**fields, "id": "id"}, ZoneInfo(timezone), datetime.now(UTC))
    expected = [
        record[:-1]
        for row in every_row(app)
        if not isinstance(record := reader.read(row), Rejection)
    ]
    with app.begin() as connection:
        records = raw.usage_records.c
        columns = [
            cast(records[name], Text) if name == "metadata" else records[name]
            for name in UsageRecord._fields[:-1]
        ]
        landed = connection.execute(select(*columns).order_by(raw.usage_records.c.row_number)).all()
        quarantined = connection.execute(select(func.count()).select_from(raw.quarantine)).scalar()
    assert [comparable(row) for row in landed] == [comparable(record) for record in expected]
    assert len(landed) + quarantined == 240


def every_row(app):
    """Yield the rows as psycopg2 gives them; numbers, times and JSON are the server's text."""
    connection = app.engine.raw_connection()
    try:
        as_text = extensions.new_type((701, 1114, 1184, 3802), "TEXT", lambda value, _: value)
        extensions.register_type(as_text, connection.driver_connection)
        number = extensions.new_type(
            (1700,), "NUMBER", lambda value, _: value and NumberText(value)
        )
        extensions.register_type(number, connection.driver_connection)
        with connection.cursor() as cursor:
            cursor.execute("set timezone to 'UTC'")
            cursor.execute("select * from app.wide order by id")
            for values in cursor.fetchall():
                yield {
                    column.name: value
                    for column, value in zip(cursor.description, values, strict=True)
                }
    finally:
        connection.invalidate()


def comparable(record):
    """Return a record with its key and its metadata as values."""
    key, *middle, metadata, corrects = record
    if metadata is not None:
        metadata = json.loads(metadata, parse_float=Decimal, parse_int=Decimal)
    return str(key).replace("-", ""), *middle, metadata, corrects
