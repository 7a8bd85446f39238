"""Rows that change at the source: refused, or corrections, so that usage follows the table."""

from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from assets.ingestion.pulling import pull
from assets.ingestion.vanished import vanished_rows
from connectors import postgres_stream
from connectors.deliveries import SourceUnavailable
from models.settings import PostgresSource
from tests.conftest import fresh_pipeline
from tests.integration.product_database import product_database, source
from tests.pipeline import JOURNAL

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
STANDING = """
    select tenant_id, dimension_id, sum(value) as quantity, sum(sign) as record_count
    from journal.jnl_usage_entries
    where value <> 0
    group by tenant_id, dimension_id
    having sum(sign) <> 0
    order by tenant_id, dimension_id
"""
CHAIN = """
    select record_id, corrects, value
    from raw.usage_records
    order by delivery_id, row_number
"""


@pytest.fixture
def app(pipeline):
    """The product's database, whose key is unique."""
    with product_database(pipeline.warehouse) as app:
        execute(app, "create unique index on app.usage_events (id)")
        yield app


def execute(app, statement, **arguments):
    with app.begin() as connection:
        connection.execute(text(statement), arguments)


def put(app, name, amount, tenant="acme"):
    execute(
        app,
        "insert into app.usage_events values"
        " (:id, '2026-03-01', :tenant, 'calls', :amount, '{\"a\": 1}', clock_timestamp())"
        " on conflict (id) do update set amount = excluded.amount, tenant = excluded.tenant,"
        " updated_at = excluded.updated_at",
        id=name,
        amount=amount,
        tenant=tenant,
    )


def correcting(app, **settings):
    return source(app, on_change="correct", **settings)


def chain(app):
    with app.begin() as connection:
        return [tuple(row) for row in connection.execute(text(CHAIN))]


def test_a_changed_row_corrects_the_state_that_landed_before(app):
    put(app, "a", 1)
    pull(correcting(app), app, AS_OF)
    put(app, "a", 2)
    put(app, "b", 7)
    pull(correcting(app), app, AS_OF)
    put(app, "a", 3)
    assert pull(correcting(app), app, AS_OF).delivered_count == 1
    assert chain(app) == [
        ("a", None, 1),
        ("a (version 2)", "a", 2),
        ("b", None, 7),
        ("a (version 3)", "a (version 2)", 3),
    ]
    assert pull(correcting(app), app, AS_OF).delivery_count == 0


def test_a_row_that_returns_to_an_earlier_state_is_a_correction_too(app):
    for amount in (1, 2, 1):
        put(app, "a", amount)
        pull(correcting(app), app, AS_OF)
    assert chain(app)[-1] == ("a (version 3)", "a (version 2)", 1)


def test_a_row_that_was_touched_and_says_the_same_is_no_news(app):
    put(app, "a", 1)
    pull(correcting(app), app, AS_OF)
    put(app, "a", 1)
    assert pull(correcting(app), app, AS_OF).delivery_count == 0


def test_what_is_journaled_is_corrected_long_after_its_landing_is_gone(app, pipeline):
    put(app, "a", 1)
    pull(correcting(app), app, AS_OF)
    pipeline.build(AS_OF, *JOURNAL)
    put(app, "a", 2)
    pull(correcting(app), app, AS_OF)
    pipeline.build(AS_OF, *JOURNAL)
    with app.begin() as connection:
        days = (
            connection.execute(
                text(
                    "select inhrelid::regclass::text from pg_inherits"
                    " where inhparent = 'raw.usage_records'::regclass"
                )
            )
            .scalars()
            .all()
        )
    for day in days:
        execute(app, f"drop table {day}")
    put(app, "a", 5)
    pull(correcting(app), app, AS_OF)
    pipeline.build(AS_OF, *JOURNAL)
    assert [tuple(row) for row in pipeline.rows(STANDING)] == [("acme", "calls", 5, 1)]


def test_unreadable_states_wait_in_quarantine_and_the_next_one_corrects(app):
    put(app, "a", 1)
    pull(correcting(app), app, AS_OF)
    put(app, "a", "NaN")
    assert pull(correcting(app), app, AS_OF).quarantined_count == 1
    assert pull(correcting(app), app, AS_OF).delivery_count == 0
    put(app, "a", 2)
    pull(correcting(app), app, AS_OF)
    assert chain(app)[-1] == ("a (version 2)", "a", 2)


def test_a_changed_row_is_refused_by_the_journal_unless_it_may_correct(app, pipeline):
    put(app, "a", 1)
    pull(source(app), app, AS_OF)
    put(app, "a", 2)
    assert pull(source(app), app, AS_OF).delivered_count == 1
    pipeline.build(AS_OF, *JOURNAL)
    [refused] = pipeline.rows("select reason from journal.jnl_conflicting_records")
    assert refused.reason == "conflicting_id"
    assert [tuple(row) for row in pipeline.rows(STANDING)] == [("acme", "calls", 1, 1)]


@pytest.mark.parametrize(
    "statement",
    [
        "drop index app.usage_events_id_idx",
        "drop index app.usage_events_id_idx; create unique index on app.usage_events (id, at)",
        "drop index app.usage_events_id_idx;"
        " create unique index on app.usage_events (id) where amount > 0",
    ],
)
def test_corrections_need_a_key_that_is_unique(app, statement):
    execute(app, statement)
    with pytest.raises(SourceUnavailable, match="needs a unique index on id alone"):
        pull(correcting(app), app, AS_OF)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"key": None}, "needs key"),
        ({"table": None, "query": "select 1"}, "needs a table, and its key"),
        ({"fields": {"corrects": "x"}}, "excludes fields.corrects"),
        ({"fields": {"id": "x"}}, "excludes fields.id"),
    ],
)
def test_settings_that_cannot_be_corrected_are_refused(settings, message):
    given = {"table": "t", "cursor": "at", "key": "id", **settings}
    with pytest.raises(ValueError, match=message):
        PostgresSource(
            name="app", type="postgres", url="postgresql://u@h/d", on_change="correct", **given
        )


LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("on_change", ["refuse", "correct"])
def test_rows_that_are_gone_from_the_table_are_named_by_their_day(app, pipeline, on_change):
    settings = source(app, on_change=on_change)
    for name in ("a", 'b, "quoted"', "c"):
        put(app, name, 1)
    pull(settings, app, AS_OF)
    pipeline.build(AS_OF, *JOURNAL)
    assert vanished_rows(app, settings, LONG_AGO) == []
    execute(app, "delete from app.usage_events where id <> 'c'")
    [day] = vanished_rows(app, settings, LONG_AGO)
    assert (day.usage_date.isoformat(), day.row_count) == ("2026-03-01", 2)
    assert day.examples == ("a", 'b, "quoted"')
    assert vanished_rows(app, settings, datetime(2026, 3, 2, tzinfo=UTC)) == []


def test_a_row_that_changed_and_is_gone_is_named_until_it_is_taken_back(app, pipeline):
    for amount in (1, 2):
        put(app, "a", amount)
        pull(correcting(app), app, AS_OF)
    pipeline.build(AS_OF, *JOURNAL)
    assert vanished_rows(app, correcting(app), LONG_AGO) == []
    execute(app, "delete from app.usage_events")
    assert [day.examples for day in vanished_rows(app, correcting(app), LONG_AGO)] == [("a",)]
    put(app, "a", 0)
    pull(correcting(app), app, AS_OF)
    pipeline.build(AS_OF, *JOURNAL)
    execute(app, "delete from app.usage_events")
    assert vanished_rows(app, correcting(app), LONG_AGO) == []


names = st.sampled_from(["a", "b", "c", "d"])
changes = st.lists(
    st.one_of(
        st.tuples(st.just("put"), names, st.integers(-3, 3), st.sampled_from(["t1", "t2"])),
        st.sampled_from([("pull",), ("pull",), ("die",), ("die",), ("build",)]),
    ),
    min_size=5,
    max_size=20,
)


def expected(app):
    """Return what the table says: its last state, and nothing else.

    Of rows that are zero it says nothing here: one that has become so is cancelled, and does not
    count, while one that was so from the beginning does.
    """
    totals, counts = Counter(), Counter()
    with app.begin() as connection:
        for row in connection.execute(text("select tenant, amount from app.usage_events")):
            totals[row.tenant] += Decimal(row.amount)
            counts[row.tenant] += row.amount != 0
    return [
        (tenant, "calls", totals[tenant], counts[tenant])
        for tenant in sorted(totals)
        if counts[tenant]
    ]


def die(_name, _count):
    raise KeyboardInterrupt


# Not shrunk: an example takes seconds, and is short.
@settings(max_examples=4, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(history=changes, rows_per_delivery=st.integers(1, 3))
def test_usage_follows_the_table_whatever_changes_between_pulls(
    postgres, prepared_template, tmp_path_factory, history, rows_per_delivery
):
    """Chains of changes, pulls that die in the middle, builds in between: the last state counts."""
    directory = tmp_path_factory.mktemp("changes")
    with (
        fresh_pipeline(postgres, prepared_template, directory) as pipeline,
        product_database(pipeline.warehouse) as app,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(postgres_stream, "DELIVERY_ROWS", rows_per_delivery)
        execute(app, "create unique index on app.usage_events (id)")
        for step in history:
            if step[0] == "put":
                put(app, *step[1:])
            elif step[0] == "pull":
                pull(correcting(app), app, AS_OF)
            elif step[0] == "build":
                pipeline.build(AS_OF, *JOURNAL)
            else:
                with suppress(KeyboardInterrupt):
                    pull(correcting(app), app, AS_OF, progress=die)
        pull(correcting(app), app, AS_OF)
        pipeline.build(AS_OF, *JOURNAL)
        assert [tuple(row) for row in pipeline.rows(STANDING)] == expected(app)
        assert not pipeline.rows("select 1 from journal.jnl_conflicting_records")
