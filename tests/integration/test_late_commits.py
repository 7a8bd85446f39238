"""Transactions that draw their cursor value early and commit late: nothing of them is missed."""

from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from assets.ingestion.bookkeeping import source_state
from assets.ingestion.pulling import pull
from connectors import postgres
from connectors.postgres_cursor import CursorState, Snapshot, held_back
from tests.conftest import fresh_warehouse
from tests.integration.product_database import other_session, product_database, records, source

# What a cursor column is by default.
CURSORS = {
    "timestamptz": "now()",
    "timestamp": "now() at time zone 'UTC'",
    "date": "(now() at time zone 'UTC')::date",
    "bigint": "nextval('app.numbers')",
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """The first pull waits for nobody."""
    monkeypatch.setattr(postgres, "FIRST_WAIT_SECONDS", 0)


@pytest.fixture
def app(warehouse):
    """The product's database."""
    with product_database(warehouse) as app:
        yield app


def make_cursor(app, kind):
    with app.begin() as connection:
        # So far apart that the overlap of numbers helps nobody.
        connection.execute(text("create sequence app.numbers increment 100000"))
        connection.execute(text("alter table app.usage_events drop column updated_at"))
        connection.execute(
            text(
                f"alter table app.usage_events add column updated_at {kind}"
                f" default ({CURSORS[kind]})"
            )
        )


def write(connection, name):
    connection.execute(
        text("insert into app.usage_events values (:id, now(), 'acme', 'calls', 1)"), {"id": name}
    )


def commit(app, *names):
    for name in names:
        with app.begin() as connection:
            write(connection, name)


@pytest.mark.parametrize("kind", CURSORS)
def test_a_transaction_that_runs_over_many_pulls_is_not_missed_without_any_overlap(app, kind):
    make_cursor(app, kind)
    narrow = source(app, overlap="0m")
    with other_session(app) as slow:
        write(slow, "late")
        for number in range(4):
            commit(app, f"quick{number}")
            assert pull(narrow, app, datetime.now(UTC)).delivered_count == 1
        slow.commit()
    assert pull(narrow, app, datetime.now(UTC)).delivered_count == 1
    assert "late" in records(app)
    assert pull(narrow, app, datetime.now(UTC)).delivered_count == 0


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_a_transaction_that_ran_before_the_first_pull_is_not_missed(app, kind):
    """It has read only, so no snapshot knows of it; the server tells when it began."""
    make_cursor(app, kind)
    narrow = source(app, overlap="0m")
    with other_session(app) as slow:
        slow.execute(text("select 1"))
        commit(app, "first")
        pull(narrow, app, datetime.now(UTC))
        commit(app, "second")
        pull(narrow, app, datetime.now(UTC))
        write(slow, "late")
        slow.commit()
    pull(narrow, app, datetime.now(UTC))
    assert records(app) == ["first", "late", "second"]


def test_a_transaction_younger_than_all_that_have_ended_is_not_missed(app):
    """The snapshot does not show it, and an older one has drawn higher numbers."""
    make_cursor(app, "bigint")
    narrow = source(app, overlap="0m")
    with other_session(app) as older, other_session(app) as younger:
        write(older, "first")
        write(younger, "late")
        write(older, "last")
        older.commit()
        for delivered_count in (2, 0):
            assert pull(narrow, app, datetime.now(UTC)).delivered_count == delivered_count
        younger.commit()
    assert pull(narrow, app, datetime.now(UTC)).delivered_count == 1
    assert records(app) == ["first", "last", "late"]


def test_what_is_written_when_the_first_pull_begins_is_waited_for(app, monkeypatch):
    """So that the second pull reads no more than what came meanwhile."""
    make_cursor(app, "bigint")
    commit(app, "first", "second")
    with other_session(app) as slow, other_session(app) as later:
        write(slow, "slow")

        def committed(_):
            write(later, "later")
            slow.commit()

        monkeypatch.setattr(postgres, "FIRST_WAIT_SECONDS", 30)
        monkeypatch.setattr(postgres, "sleep", committed)
        narrow = source(app, overlap="0m")
        assert pull(narrow, app, datetime.now(UTC)).delivered_count == 3
        with app.begin() as connection:
            second = "select updated_at::text from app.usage_events where id = 'second'"
            highest = connection.execute(text(second)).scalar()
        assert source_state(app, "app_db").cursor["resume"] == highest
        later.commit()
    assert pull(narrow, app, datetime.now(UTC)).delivered_count == 1


def test_after_a_long_transaction_the_pulls_are_short_again(app):
    make_cursor(app, "timestamptz")
    narrow = source(app, overlap="0m")
    with other_session(app) as slow:
        write(slow, "late")
        for number in range(3):
            commit(app, f"quick{number}")
            pull(narrow, app, datetime.now(UTC))
        assert len(source_state(app, "app_db").cursor["recent"]) == 3
        slow.commit()
    commit(app, "after")
    pull(narrow, app, datetime.now(UTC))
    assert len(source_state(app, "app_db").cursor["recent"]) == 1


def test_a_day_that_ended_before_the_commit_is_read_again(app):
    """A date lies up to a day before the moment at which it was drawn."""
    make_cursor(app, "date")
    with app.begin() as connection:
        connection.execute(
            text(
                "insert into app.usage_events values"
                " ('today', now(), 'acme', 'calls', 1, null, '2026-03-02')"
            )
        )
    pull(source(app), app, datetime.now(UTC))
    with app.begin() as connection:
        connection.execute(
            text(
                "insert into app.usage_events values"
                " ('yesterday', now(), 'acme', 'calls', 1, null, '2026-03-01')"
            )
        )
    pull(source(app), app, datetime.now(UTC))
    assert records(app) == ["today", "yesterday"]


def test_local_times_that_come_twice_are_read_twice(app):
    """At the end of summer time a local clock goes from 03:00 back to 02:00."""
    make_cursor(app, "timestamp")
    berlin = source(app, timezone="Europe/Berlin", overlap="10m")
    for name, moment in [("summer", "2025-10-26 02:59"), ("winter", "2025-10-26 02:10")]:
        with app.begin() as connection:
            connection.execute(
                text(
                    "insert into app.usage_events values"
                    " (:name, now(), 'acme', 'calls', 1, null, cast(:moment as timestamp))"
                ),
                {"name": name, "moment": moment},
            )
        assert pull(berlin, app, datetime.now(UTC)).delivered_count == 1


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        (Snapshot(50, 50, ""), None),
        (Snapshot(40, 60, ""), "high"),
        (Snapshot(39, 60, ""), "resume"),
    ],
)
def test_what_runs_decides_how_far_a_pull_goes_back(snapshot, expected):
    state = CursorState("resume", "high", "seen", 40)
    assert held_back(state, snapshot) == expected


@contextmanager
def sessions(app, count):
    with ExitStack() as stack:
        yield [stack.enter_context(other_session(app)) for _ in range(count)]


steps = st.lists(
    st.tuples(st.sampled_from(["begin", "write", "commit", "rollback", "pull"]), st.integers(0, 2)),
    min_size=5,
    max_size=30,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=steps, kind=st.sampled_from(["timestamptz", "bigint"]))
def test_whatever_the_transactions_do_every_committed_row_lands_once(
    postgres, prepared_template, steps, kind
):
    """Three sessions write, commit and roll back in any order among pulls without an overlap."""
    with (
        fresh_warehouse(postgres, prepared_template) as warehouse,
        product_database(warehouse) as app,
    ):
        make_cursor(app, kind)
        narrow = source(app, overlap="0m")
        with sessions(app, 3) as connections:
            for number, (step, place) in enumerate(steps):
                connection = connections[place]
                if step == "pull":
                    pull(narrow, app, datetime.now(UTC))
                elif step == "begin":
                    connection.execute(text("select 1"))
                elif step == "write":
                    write(connection, f"r{number:02d}")
                else:
                    getattr(connection, step)()
            for connection in connections:
                connection.commit()
        pull(narrow, app, datetime.now(UTC))
        with app.begin() as connection:
            committed = list(
                connection.execute(text("select id from app.usage_events order by id")).scalars()
            )
        assert records(app) == committed
