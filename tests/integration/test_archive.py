"""The archive of the journal: what leaves is known again for ever, and comes back as it was."""

import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import jinja2
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from assets.checks.frozen_rows import new_entries_are_as_booked, the_journal_is_guarded
from assets.checks.verification import no_entry_was_taken_away
from assets.ingestion.replay import ReplayReport
from assets.retention import archiving, restoring
from assets.retention.archiving import ArchiveReport, archive_journal
from assets.retention.ledger import ArchiveRefused, list_archives
from assets.retention.replaying import replay_refused
from assets.retention.restoring import restore_journal
from connectors.dbt import PROJECT_DIRECTORY
from connectors.embedded_postgres import EmbeddedPostgres
from connectors.journal_files import ArchiveFileError, write_entries
from connectors.warehouse import Warehouse
from models.settings import FileSource
from tests.conftest import fresh_pipeline
from tests.integration.test_checks import damage
from tests.pipeline import Pipeline

AS_OF = datetime(2026, 11, 21, tzinfo=UTC)
USAGE = ("+jnl_delivery_counts", "path:models/usage", "+jnl_control_totals")
SEPTEMBER = date(2026, 9, 1)
JOURNAL = """
    select entries::text from journal.jnl_usage_entries as entries order by record_key, is_reversal
"""
ROLLUPS = """
    select 'hour', cells::text from marts.fct_usage_hourly as cells
    union all select 'day', cells::text from marts.fct_usage_daily as cells
    union all select 'month', cells::text from marts.fct_usage_monthly as cells
    union all select 'values', cells::text from rating.int_usage_values_daily as cells
    order by 1, 2
"""
LEDGER = """
    select 'month', archived::text from ops.archived_months as archived
    union all select 'entry', archived::text from ops.archived_entries as archived
    union all select 'delivery', archived::text from ops.archived_deliveries as archived
    union all select 'kept', kept::text from ops.kept_entries as kept
"""
CONSERVED = """
    select deliveries.delivery_id
    from raw.deliveries
    left join ops.journaled_deliveries as counted
        on deliveries.delivery_id = counted.delivery_id
    where deliveries.delivered_count is distinct from counted.journaled_count
        + counted.duplicate_count + counted.conflicting_count + deliveries.quarantined_count
"""


def usage(record_id: str, timestamp: str, value: str = "1", **more: Any) -> dict[str, Any]:
    named = {"id": record_id, "tenant_id": "acme", "dimension_id": "calls", "value": value}
    return {**named, "timestamp": timestamp, **more}


RECORDS = [
    usage("jul", "2026-07-31T23:59:59.999999Z", "0.000000001"),
    usage("aug", "2026-08-01T00:00:00Z", "1.10", metadata={"b": 1.10, "a": "x", "n": 10.0}),
    usage("aug-empty", "2026-08-02T00:00:00Z", "-3", metadata={}),
    usage("aug-odd", "2026-08-03T00:00:00Z", "9999999999999999999999999999.999999999",
          tenant_id='a,"b" \\.', metadata={"quote": '",\\N\n', "zero": "1.0"}),
    usage("corrected", "2026-08-04T00:00:00Z", "5"),
    usage("correction", "2026-08-04T00:00:00Z", "6", corrects="corrected"),
    usage("corrected-late", "2026-08-05T00:00:00Z", "7"),
    usage("correction-later", "2026-09-05T00:00:00Z", "8", corrects="corrected-late"),
    usage("sep", "2026-09-01T00:00:00Z", "2"),
]  # fmt: skip


def contents(pipeline: Pipeline, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in pipeline.rows(query)]


def deliver(pipeline: Pipeline, name: str, *records: dict[str, Any]) -> None:
    pipeline.deliver("logs", list(records), name)
    pipeline.build(AS_OF, *USAGE)


def outcomes(pipeline: Pipeline) -> list[tuple[str, str]]:
    """What became of what was delivered last: record id and outcome, entries left out."""
    found = pipeline.rows(
        "select records.record_id, repeated.outcome from journal.jnl_repeated_records as repeated"
        " inner join raw.usage_records as records using (delivery_id, row_number) order by 1, 2"
    )
    assert pipeline.rows(CONSERVED) == []
    return [(row.record_id, row.outcome) for row in found]


def archived(pipeline: Pipeline, before: date = SEPTEMBER) -> ArchiveReport:
    return archive_journal(pipeline.warehouse, before, pipeline.directory / "archive", AS_OF)


@pytest.fixture(scope="module")
def journaled(
    postgres: EmbeddedPostgres, prepared_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The name of a warehouse with a journal, which each test gets a copy of."""
    directory = tmp_path_factory.mktemp("journaled")
    with fresh_pipeline(postgres, prepared_template, directory) as pipeline:
        deliver(pipeline, "first", *RECORDS)
        database = str(pipeline.warehouse.engine.url.database)
        pipeline.warehouse.close()
        yield database


@pytest.fixture
def journal(postgres: EmbeddedPostgres, journaled: str, tmp_path: Path) -> Iterator[Pipeline]:
    with fresh_pipeline(postgres, journaled, tmp_path) as pipeline:
        yield pipeline


def test_an_archive_comes_back_as_it_was(journal: Pipeline) -> None:
    before, rollups = contents(journal, JOURNAL), contents(journal, ROLLUPS)
    report = archived(journal)
    assert [(month.month, month.entry_count) for month in report.months] == [
        (date(2026, 7, 1), 1),
        (date(2026, 8, 1), 3),
    ]
    assert report.kept_count == 3
    remaining = contents(journal, JOURNAL)
    assert len(remaining) == len(before) - 4
    assert set(remaining) < set(before)
    assert contents(journal, ROLLUPS) == rollups

    restored = restore_journal(journal.warehouse, report.archive_id, AS_OF)
    assert (restored.month_count, restored.entry_count) == (2, 4)
    assert contents(journal, JOURNAL) == before
    assert contents(journal, LEDGER) == []
    with journal.warehouse.begin() as connection:
        [archive] = list_archives(connection)
    assert (archive.restored_at, archive.months) == (AS_OF, ())
    # And it can be archived again.
    assert archived(journal).entry_count == 4


def test_files_can_be_read_by_others(journal: Pipeline) -> None:
    report = archived(journal)
    table = pq.read_table(report.months[1].file)
    found = {row["record_id"]: row for row in table.to_pylist()}
    assert set(found) == {"aug", "aug-empty", "aug-odd"}
    assert str(found["aug"]["value"]) == "1.100000000"
    assert found["aug"]["metadata"] == '{"b":1.1,"a":"x","n":10.0}'
    assert found["aug"]["occurred_at"] == datetime(2026, 8, 1, tzinfo=UTC)
    assert found["aug-odd"]["tenant_id"] == 'a,"b" \\.'


def test_what_is_archived_is_known_when_it_is_delivered_again(journal: Pipeline) -> None:
    """By what it says, not by how it is written, across any number of builds."""
    archived(journal)
    before = contents(journal, JOURNAL)
    deliver(journal, "again", *RECORDS)
    assert {outcome for _, outcome in outcomes(journal)} == {"duplicate"}
    assert len(outcomes(journal)) == len(RECORDS)
    other_words = {
        "value": "1.1",
        "metadata": {"n": 10, "a": "x", "b": 1.1},
        "timestamp": "2026-08-01T02:00:00+02:00",
    }
    for number in range(2):
        deliver(journal, f"other words {number}", RECORDS[1] | other_words)
        assert outcomes(journal) == [("aug", "duplicate")]
    changes: list[dict[str, Any]] = [
        {"value": "1.2"},
        {"timestamp": "2026-08-01T00:00:01Z"},
        {"timestamp": "2026-10-01T00:00:00Z"},
        {"tenant_id": "acm", "dimension_id": "ecalls"},
        {"metadata": {"b": "1.1", "a": "x", "n": 10}},
        {"metadata": {"b": 1.1, "a": "x", "n": 10, "m": None}},
        {"metadata": {}},
        {"corrects": "sep"},
    ]
    for number, change in enumerate(changes):
        deliver(journal, f"change {number}", RECORDS[1] | change)
        assert outcomes(journal) == [("aug", "conflicting_id")], change
    assert contents(journal, JOURNAL) == before


def test_what_would_change_an_archived_month_waits_in_quarantine(journal: Pipeline) -> None:
    report = archived(journal)
    before, rollups = contents(journal, JOURNAL), contents(journal, ROLLUPS)
    late = [
        usage("late", "2026-08-31T23:59:59Z"),
        usage("corrects-archived", "2026-10-01T00:00:00Z", corrects="aug"),
        usage("corrects-kept", "2026-10-01T00:00:00Z", corrects="correction"),
    ]
    refused = [
        ("corrects-archived", "archived_original"),
        ("corrects-kept", "archived_original"),
        ("late", "archived_time"),
    ]
    deliver(journal, "late", *late)
    assert outcomes(journal) == refused
    deliver(journal, "late again", *late)
    assert outcomes(journal) == refused
    assert contents(journal, JOURNAL) == before
    assert contents(journal, ROLLUPS) == rollups
    # The correction of a correction whose own month is here changes nothing that is archived.
    deliver(journal, "fine", usage("x", "2026-09-30T00:00:00Z", corrects="correction-later"),
            usage("before all", "2026-06-30T23:59:59Z"))  # fmt: skip
    assert outcomes(journal) == []

    restore_journal(journal.warehouse, report.archive_id, AS_OF)
    assert [replay(journal).replayed_count for _ in range(2)] == [6, 0]
    journal.build(AS_OF, *USAGE)
    assert {outcome for _, outcome in outcomes(journal)} == {"duplicate"}
    found = journal.rows("select record_id, is_reversal from journal.jnl_usage_entries")
    assert {tuple(row) for row in found} >= {("late", False), ("aug", True), ("correction", True)}


def replay(pipeline: Pipeline) -> ReplayReport:
    source = FileSource(name="logs", type="file", path="*.jsonl")
    return replay_refused(pipeline.warehouse, source, AS_OF)


def test_a_replay_before_the_restore_replays_nothing(journal: Pipeline) -> None:
    archived(journal)
    deliver(journal, "late", usage("late", "2026-08-31T23:59:59Z"),
            usage("correcting", "2026-10-01T00:00:00Z", corrects="aug"))  # fmt: skip
    report = replay(journal)
    assert (report.replayed_count, report.remaining_count) == (0, 2)


def test_rollups_are_rebuilt_around_the_archive(journal: Pipeline) -> None:
    archived(journal)
    deliver(journal, "more", usage("more", "2026-10-01T00:00:00Z"))
    rollups = contents(journal, ROLLUPS)
    with journal.warehouse.begin() as connection:
        connection.execute(text("delete from ops.rollups"))
    deliver(journal, "again", *RECORDS)
    assert contents(journal, ROLLUPS) == rollups
    journal.build(AS_OF)

    with journal.warehouse.begin() as connection:
        connection.execute(text("drop table marts.fct_usage_hourly cascade"))
    with pytest.raises(AssertionError, match="Bring it back with `meterhouse journal restore 1`"):
        journal.build(AS_OF, "fct_usage_hourly")


def test_a_new_key_to_count_by_needs_the_archive(journal: Pipeline) -> None:
    archived(journal)
    (journal.directory / "catalog").mkdir()
    (journal.directory / "catalog" / "all.yml").write_text(
        "dimensions: [{id: calls, name: Calls, unit: call, aggregation: count_distinct,"
        " distinct_on: user_id}]"
    )
    journal.publish(journal.directory / "catalog")
    with pytest.raises(AssertionError, match="int_usage_values_daily cannot be rebuilt"):
        journal.build(AS_OF, *USAGE)
    restore_journal(journal.warehouse, 1, AS_OF)
    journal.build(AS_OF, *USAGE)


def test_the_guards_and_indexes_of_the_journal_are_as_before(journal: Pipeline) -> None:
    shape = """
        select indexname, tablename, indexdef from pg_indexes where schemaname = 'journal'
        union all
        select tgname, tgrelid::regclass::text, pg_get_triggerdef(oid)
        from pg_trigger where tgrelid::regclass::text like 'journal.%'
        union all
        select relname, relacl::text, pg_get_expr(relpartbound, oid)
        from pg_class where relnamespace = 'journal'::regnamespace
        order by 1, 2, 3
    """
    before = contents(journal, shape)
    archived(journal)
    assert contents(journal, shape) == before
    assert the_journal_is_guarded(journal.warehouse).passed
    assert no_entry_was_taken_away(journal.warehouse).passed
    assert new_entries_are_as_booked(journal.warehouse).passed


def test_an_entry_that_was_taken_away_is_found_beside_an_archive(journal: Pipeline) -> None:
    archived(journal)
    table = "journal.jnl_usage_entries"
    damage(journal.warehouse, table, f"delete from {table} where record_id = 'sep'")
    assert not no_entry_was_taken_away(journal.warehouse).passed
    assert not new_entries_are_as_booked(journal.warehouse).passed


@pytest.mark.parametrize(
    "statement",
    [
        "delete from ops.archived_entries",
        "update ops.archived_entries set archive_id = 7",
        "truncate ops.archived_entries",
    ],
)
def test_the_ledger_of_archived_entries_is_guarded(journal: Pipeline, statement: str) -> None:
    archived(journal)
    with (
        pytest.raises(DBAPIError, match=r"refused|permission denied"),
        journal.warehouse.begin() as connection,
    ):
        connection.execute(text(statement))


@pytest.mark.parametrize(
    ("module", "step"),
    [
        (archiving, "take_leave"),
        (archiving, "write_entries"),
        (archiving, "read_entries"),
        (archiving, "make_successor"),
        (archiving, "replace"),
        (archiving, "_finish"),
    ],
)
def test_an_archive_that_is_interrupted_leaves_all_as_it_was(
    journal: Pipeline, monkeypatch: pytest.MonkeyPatch, module: Any, step: str
) -> None:
    before, count = contents(journal, JOURNAL), {"calls": 0}
    done = getattr(module, step)

    def interrupted(*arguments: Any) -> Any:
        result = done(*arguments)
        count["calls"] += 1
        # In the midst of the loop, where there is one.
        if count["calls"] == 2 or step in ("take_leave", "_finish"):
            raise KeyboardInterrupt
        return result

    with monkeypatch.context() as patch:
        patch.setattr(module, step, interrupted)
        with pytest.raises(KeyboardInterrupt):
            archived(journal)
    assert contents(journal, JOURNAL) == before
    assert contents(journal, LEDGER) == []
    assert not list((journal.directory / "archive").glob("*"))
    assert archived(journal).entry_count == 4


@pytest.mark.parametrize("step", ["load_file", "_return_month", "_forget"])
def test_a_restore_that_is_interrupted_leaves_all_as_it_was(
    journal: Pipeline, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    whole = contents(journal, JOURNAL)
    report = archived(journal)
    before, ledger = contents(journal, JOURNAL), sorted(contents(journal, LEDGER))
    done = getattr(restoring, step)

    def interrupted(*arguments: Any) -> None:
        done(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(restoring, step, interrupted)
        with pytest.raises(KeyboardInterrupt):
            restore_journal(journal.warehouse, report.archive_id, AS_OF)
    assert contents(journal, JOURNAL) == before
    assert sorted(contents(journal, LEDGER)) == ledger
    restore_journal(journal.warehouse, report.archive_id, AS_OF)
    assert contents(journal, JOURNAL) == whole


def test_a_file_that_lies_is_found_before_anything_is_removed(
    journal: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(journal, JOURNAL)

    def forgetful(connection: Any, query: str, file: Path) -> int:
        return write_entries(connection, f"{query} limit 2", file)

    monkeypatch.setattr(archiving, "write_entries", forgetful)
    with pytest.raises(ArchiveFileError, match="does not hold the entries"):
        archived(journal)
    assert contents(journal, JOURNAL) == before


def test_files_are_held_to_what_they_were(journal: Pipeline) -> None:
    report = archived(journal)
    july, august = (month.file for month in report.months)
    moved = journal.directory / "moved"
    shutil.move(report.directory, moved)
    with pytest.raises(ArchiveFileError, match="say where it is with --from"):
        restore_journal(journal.warehouse, report.archive_id, AS_OF)
    original = (moved / august.name).read_bytes()
    (moved / august.name).write_bytes((moved / july.name).read_bytes())
    with pytest.raises(ArchiveFileError, match="does not hold the entries"):
        restore_journal(journal.warehouse, report.archive_id, AS_OF, moved)
    (moved / august.name).write_bytes(original[:-100])
    with pytest.raises(ArchiveFileError, match="cannot be read"):
        restore_journal(journal.warehouse, report.archive_id, AS_OF, moved)
    (moved / august.name).write_bytes(original)
    assert restore_journal(journal.warehouse, report.archive_id, AS_OF, moved).entry_count == 4


def test_archives_are_restored_in_any_order(journal: Pipeline) -> None:
    whole = contents(journal, JOURNAL)
    first = archived(journal, date(2026, 8, 1))
    second = archived(journal, date(2026, 10, 1))
    assert [month.month.month for month in second.months] == [8, 9]
    for archive in (first, second):
        restore_journal(journal.warehouse, archive.archive_id, AS_OF)
    assert contents(journal, JOURNAL) == whole


def test_what_is_not_settled_is_refused(journal: Pipeline) -> None:
    with pytest.raises(ArchiveRefused, match="nothing from before 2026-07"):
        archived(journal, date(2026, 7, 1))
    with pytest.raises(ArchiveRefused, match="there is no archive 7"):
        restore_journal(journal.warehouse, 7, AS_OF)
    with journal.warehouse.begin() as connection:
        connection.execute(text("update marts.fct_usage_hourly set quantity_sum = 0"))
    with pytest.raises(ArchiveRefused, match="the usage rollups of 2026-"):
        archived(journal)
    with journal.warehouse.begin() as connection:
        connection.execute(text("update ops.builds set finished_at = null"))
    with pytest.raises(ArchiveRefused, match="did not finish"):
        archived(journal)


SAYINGS = [
    '{"a":1.0,"b":2}', '{"b":2,"a":1}', '{"a":1.10,"b":"x.00\\" 1.0"}',
    '{"b":"x.00\\" 1.0","a":1.1}', '{"b":"x.0\\" 1.0","a":1.1}', "null", "{}",
    "[1.00,0.0,-0.0,10.0,1e2,100.50,1.05]",
    "[1,0,0,10,100,100.5,1.05]", '"1.0"', '"1.00"', "1.0", "1", '{"a":{"b":[0.10]}}',
    '{"a":{"b":[0.1]}}', "0.000", "0", "1.0203", "1.02030", "100", '{"1.0":1}', '{"1.00":1}',
    '"a.0"', '"a.0\\\\"', '""', "[]", "[[]]", '{"a":null}', "true", None,
]  # fmt: skip
SAME = """
    with sayings as (
        select row_number() over () as number, cast(document as json) as metadata
        from unnest(cast(:documents as text[])) as documents (document)
    ),

    records as (
        select
            number, metadata, timestamptz '2026-08-01 00:00:00+00' as occurred_at,
            'a' as tenant_id, 'bc' as dimension_id, 1.0 as value, null::uuid as corrects_key
        from sayings
        union all
        select 101, null, timestamptz '2026-08-01 02:00:00+02', 'ab', 'c', 1, null
        union all
        select 102, null, timestamptz '2026-08-01 02:00:00+02', 'a', 'bc', 1.000, null
        union all
        select 103, null, timestamptz '2026-08-01 00:00:00.000001+00', 'a', 'bc', 1.000, null
        union all
        select 104, null, timestamptz '2026-08-01 00:00:00+00', 'a', 'bc', 1, md5('x')::uuid
    )

    select
        one.number as one_number,
        other.number as other_number,
        {is_same} as is_same,
        {one_hash} = {other_hash} as is_hashed_alike
    from records as one
    cross join records as other
"""


def test_records_are_hashed_alike_where_they_say_the_same(warehouse: Warehouse) -> None:
    """As the macro says that compares records with the journal."""
    macros = {
        name: (PROJECT_DIRECTORY / "macros" / "meaning" / f"{name}.sql").read_text()
        for name in ("is_same_record", "content_hash")
    }
    engine = jinja2.Environment()  # noqa: S701 - it writes SQL.
    same = engine.from_string(macros["is_same_record"]).module.is_same_record
    digest = engine.from_string(macros["content_hash"]).module.content_hash
    query = SAME.format(
        is_same=same("one", "other"), one_hash=digest("one"), other_hash=digest("other")
    )
    with warehouse.begin() as connection:
        found = connection.execute(text(query), {"documents": SAYINGS}).all()
    assert [row for row in found if row.is_same != row.is_hashed_alike] == []
    assert len(found) == (len(SAYINGS) + 4) ** 2
    assert sum(row.is_same for row in found) > len(SAYINGS) + 4
