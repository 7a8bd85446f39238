"""The warehouse: rows stream in exactly, locks exclude, and the schema guards what is booked."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    MetaData,
    Numeric,
    Table,
    Text,
    event,
    insert,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as UUID_TYPE
from sqlalchemy.exc import DBAPIError

from connectors.copying import UnstorableRowError
from connectors.database import open_engine
from connectors.schema import (
    APPEND_ONLY,
    OWN_SCHEMAS,
    READER,
    SCHEMAS,
    SchemaOutdated,
    prepare_warehouse,
)
from connectors.warehouse import Warehouse, WarehouseBusy, WarehouseUnavailable
from models.tables import billing, ops, raw
from tests.conftest import address_of, drop_database, execute

REPOSITORY = Path(__file__).parents[2]

samples = Table(
    "samples",
    MetaData(schema="raw"),
    Column("number", BigInteger),
    Column("words", Text),
    Column("amount", Numeric),
    Column("details", JSONB),
    Column("happened_at", DateTime(timezone=True)),
    Column("day", Date),
    Column("is_odd", Boolean),
    Column("key", UUID_TYPE),
)
NAMES = [column.name for column in samples.columns]


@pytest.fixture
def sampled(warehouse):
    with warehouse.begin() as connection:
        samples.create(connection)
    return warehouse


def copied(warehouse, columns, rows):
    with warehouse.begin() as connection:
        count = warehouse.copy_rows(connection, samples, columns, rows)
        stored = [
            tuple(row) for row in connection.execute(select(*(samples.c[name] for name in columns)))
        ]
        connection.execute(samples.delete())
    return count, stored


def refused(warehouse, statement):
    with pytest.raises(DBAPIError) as failure, warehouse.begin() as connection:
        connection.execute(text(statement))
    return str(failure.value.orig)


# Copying.


def test_every_type_comes_back_as_it_went_in(sampled):
    rows = [
        (
            1,
            "words",
            Decimal("12345678901234567890.123456789"),
            {"a": [1, None, "x"]},
            datetime(2026, 3, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
            date(2026, 3, 1),
            True,
            UUID(int=7),
        ),
        (
            -(2**63),
            "",
            Decimal("-0.000000001"),
            ["a"],
            datetime.max.replace(tzinfo=UTC),
            None,
            False,
            None,
        ),
        (None,) * 8,
    ]
    count, stored = copied(sampled, NAMES, rows)
    assert count == 3
    assert stored == rows


@pytest.mark.parametrize(
    "words",
    [
        "",
        "\\N",
        "NULL",
        "null",
        "\\.",
        '"',
        '""',
        '"quoted", with comma',
        "line\nline",
        "carriage\rreturn",
        "both\r\n",
        "\\",
        "\t",
        " leading and trailing ",
        "日本語 \U0001f600",
        "'; drop table raw.samples; --",
        "%s {} $1",
        "x" * 3_000_000,
    ],
)
def test_text_is_never_mistaken_for_syntax_or_null(sampled, words):
    # Alone in its row, and beside others.
    assert copied(sampled, ["words"], [(words,), (None,)]) == (2, [(words,), (None,)])
    assert copied(sampled, ["number", "words"], [(1, words)]) == (1, [(1, words)])


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.none(),
                st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
            ),
            st.one_of(st.none(), st.decimals(allow_nan=False, allow_infinity=False, places=9)),
        ),
        max_size=8,
    )
)
def test_any_text_and_any_decimal_survive(sampled, rows):
    assert copied(sampled, ["words", "amount"], rows) == (len(rows), rows)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ((1, "a\x00b"), r"row 3 for raw\.samples: words holds a NUL character"),
        ((1, "a\ud800b"), r"row 3 for raw\.samples: words holds half of a surrogate pair"),
        ((1, 0.5), "a value of type float"),
        ((Decimal("NaN"), "x"), "NaN is not an amount"),
        ((1, datetime(2026, 1, 1)), "has no time zone"),  # noqa: DTZ001 - the case itself
        ((1,), "row 3 for raw.samples has 1 values, expected 2"),
        (("1\t2",), "row 3 for raw.samples has 1 values, expected 2"),
        (("one", "x"), "raw.samples, row 3, column number: invalid input syntax"),
    ],
)
def test_what_cannot_be_stored_is_named_and_nothing_of_the_transaction_stays(sampled, row, says):
    rows = [(1, "first\nwith a line"), (2, "second"), row]
    with pytest.raises(UnstorableRowError, match=says), sampled.begin() as connection:
        sampled.copy_rows(connection, samples, ["number", "words"], rows)
    with sampled.begin() as connection:
        assert connection.execute(select(samples)).all() == []


def test_a_source_that_breaks_off_raises_its_own_error(sampled):
    def rows():
        yield (1,)
        raise TimeoutError("the source is gone")

    with pytest.raises(TimeoutError, match="the source is gone"), sampled.begin() as connection:
        sampled.copy_rows(connection, samples, ["number"], rows())


def test_a_column_that_the_table_lacks_is_refused(sampled):
    with pytest.raises(UnstorableRowError, match="no column colour"), sampled.begin() as connection:
        sampled.copy_rows(connection, samples, ["number", "colour"], [(1, "red")])


def test_many_rows_stream_in_bounded_memory(sampled):
    import tracemalloc

    rows = ((number, f"{number:0500d}") for number in range(100_000))
    tracemalloc.start()
    with sampled.begin() as connection:
        assert sampled.copy_rows(connection, samples, ["number", "words"], rows) == 100_000
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert connection.execute(text("select count(*) from raw.samples")).scalar() == 100_000
    assert peak < 20_000_000


def test_numbers_in_json_never_pass_through_a_float(sampled):
    with sampled.begin() as connection:
        connection.execute(insert(samples).values(details={"amount": Decimal("0.1000"), "n": 3}))
        stored = connection.execute(select(samples.c.details)).scalar()
    assert stored == {"amount": "0.1000", "n": 3}
    assert isinstance(stored["amount"], str)


# Sessions and locks.


def test_sessions_are_in_utc(warehouse):
    with warehouse.begin() as connection:
        assert connection.execute(text("show timezone")).scalar() == "UTC"


def test_the_address_is_not_in_the_representation(warehouse):
    password = warehouse.engine.url.password
    assert password not in repr(warehouse)
    assert password not in str(warehouse)
    assert password not in repr(warehouse.engine)


def test_a_wrong_password_says_what_to_check_and_not_the_password(warehouse):
    url = warehouse.engine.url.set(password="wr0ng secret")
    with pytest.raises(WarehouseUnavailable) as failure:
        prepare_warehouse(open_engine(url))
    assert "password in warehouse.url" in str(failure.value)
    assert "wr0ng" not in str(failure.value)


def test_a_server_that_is_not_there_is_named():
    warehouse = Warehouse(url="postgresql://me:s3cret@127.0.0.1:1/db")
    with pytest.raises(WarehouseUnavailable) as failure, warehouse.begin():
        pass
    assert "127.0.0.1:1/db cannot be used" in str(failure.value)
    assert "s3cret" not in str(failure.value)


def test_a_missing_database_is_named(warehouse):
    url = warehouse.engine.url.set(database="nowhere").render_as_string(hide_password=False)
    with pytest.raises(WarehouseUnavailable, match="Create it"), Warehouse(url=url).begin():
        pass


@pytest.mark.parametrize(
    "address", ["mysql://me:s3cret@host/db", "postgresql://me:s3cret@host", "s3cret"]
)
def test_an_address_that_cannot_be_read_is_not_quoted(address):
    with pytest.raises(WarehouseUnavailable) as failure, Warehouse(url=address).begin():
        pass
    assert "s3cret" not in str(failure.value)


def test_an_old_server_is_refused(warehouse, monkeypatch):
    monkeypatch.setattr("connectors.database.OLDEST_SERVER", 99)
    with pytest.raises(WarehouseUnavailable, match="needs 99 or later"), warehouse.begin():
        pass


def test_a_database_that_cannot_store_every_text_is_refused(postgres):
    latin = "encoding 'LATIN1' locale_provider libc locale 'C'"
    execute(postgres, f"create database latin {latin} template template0")
    with (
        pytest.raises(WarehouseUnavailable, match="keeps text as LATIN1"),
        Warehouse(url=address_of(postgres, "latin")).begin(),
    ):
        pass
    drop_database(postgres, "latin")


def test_a_lost_connection_says_that_nothing_was_written(warehouse):
    killing = text("select pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(WarehouseUnavailable, match="nothing of"), warehouse.begin() as connection:
        connection.execute(killing)
    with warehouse.begin() as connection:
        assert connection.execute(text("select 1")).scalar() == 1


def test_a_connection_that_died_in_the_pool_is_replaced(warehouse):
    with warehouse.begin() as connection:
        first = connection.execute(text("select pg_backend_pid()")).scalar()
    other = Warehouse(url=warehouse.url)
    with other.begin() as connection:
        connection.execute(text("select pg_terminate_backend(:pid)"), {"pid": first})
    other.close()
    with warehouse.begin() as connection:
        assert connection.execute(text("select 1")).scalar() == 1


def test_a_lock_that_is_held_is_refused_with_who_holds_it(warehouse):
    other = Warehouse(url=warehouse.url)
    with warehouse.locked("pull gateway"):
        started = time.perf_counter()
        with pytest.raises(WarehouseBusy) as failure, other.locked("pull gateway", 0.3):
            pass
        assert time.perf_counter() - started > 0.2
        assert "pull gateway" in str(failure.value)
        assert "meterhouse process" in str(failure.value)
        with pytest.raises(WarehouseBusy), other.locked("pull gateway", wait_seconds=0):
            pass
        with other.locked("pull another"):
            pass
    with other.locked("pull gateway", 0):
        pass


def test_a_lock_is_free_after_an_error_and_is_waited_for(warehouse):
    with pytest.raises(ZeroDivisionError), warehouse.locked("close"):
        raise ZeroDivisionError
    held = threading.Event()

    def hold():
        with warehouse.locked("close"):
            held.set()
            time.sleep(0.4)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    with warehouse.locked("close", 10):
        assert not holder.is_alive() or holder.join(5) is None
    holder.join()


def test_the_lock_of_a_process_that_was_killed_is_free(warehouse):
    program = (
        "import sys, time; from connectors.warehouse import Warehouse\n"
        "with Warehouse(url=sys.argv[1]).locked('close'):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, warehouse.url], cwd=REPOSITORY, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(WarehouseBusy), warehouse.locked("close", 0):
        pass
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with warehouse.locked("close", 10):
        pass


# The schema.


def prepared(address):
    engine = open_engine(address)
    prepare_warehouse(engine)
    return Warehouse(url=address)


def test_it_is_prepared_once_and_then_costs_one_query(empty_database):
    prepared(empty_database)
    engine = open_engine(empty_database)
    with engine.connect() as connection:
        found = set(
            connection.execute(
                text("select table_schema || '.' || table_name from information_schema.tables")
            ).scalars()
        )
        schemas = set(connection.execute(text("select nspname from pg_namespace")).scalars())
    assert set(SCHEMAS) <= schemas
    for metadata in OWN_SCHEMAS.values():
        assert {table.fullname for table in metadata.sorted_tables} <= found
    assert {"billing.closed_periods", "billing.closed_lines", "billing.voided_invoices"} <= found
    statements = []
    event.listen(engine, "before_cursor_execute", lambda *asked: statements.append(asked[2]))
    prepare_warehouse(engine)
    assert len(statements) == 1
    engine.dispose()


def test_a_restored_database_gets_its_roles_settings_back(postgres, warehouse):
    # A copy, like a dump, holds everything but what roles are set to in it.
    with warehouse.begin() as connection:
        connection.execute(text("create table marts.fct_kept as select 1 as a"))
    prepare_warehouse(warehouse.engine)
    reader = Warehouse(url=address_of(postgres, warehouse.engine.url.database, READER))
    with reader.begin() as connection:
        assert connection.execute(text("select a from fct_kept")).scalar() == 1
    reader.close()


def test_processes_that_prepare_it_at_once_do_not_collide(empty_database):
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: prepared(empty_database), range(4)))


def test_what_is_missing_is_created_when_the_definitions_changed(empty_database):
    warehouse = prepared(empty_database)
    with warehouse.begin() as connection:
        connection.execute(text("insert into ops.source_states values ('kept', null, now())"))
        connection.execute(text("drop table ops.pulls"))
        connection.execute(text("comment on schema ops is 'Meterhouse schema of last year'"))
    prepared(empty_database)
    with warehouse.begin() as connection:
        assert connection.execute(select(ops.pulls)).all() == []
        assert connection.execute(select(ops.source_states.c.source)).scalar() == "kept"


def test_a_table_of_another_version_is_refused_by_name(empty_database):
    warehouse = prepared(empty_database)
    with warehouse.begin() as connection:
        connection.execute(text("alter table billing.outbox drop column attempt"))
        connection.execute(text("comment on schema ops is 'Meterhouse schema of last year'"))
    with pytest.raises(SchemaOutdated, match=r"billing\.outbox\.attempt"):
        prepared(empty_database)


@pytest.mark.parametrize("table", APPEND_ONLY, ids=lambda table: table.fullname)
def test_booked_rows_cannot_be_changed(warehouse, table):
    """Not by our own user, and not by one who gave himself the right again."""
    column = table.columns.keys()[-1]
    statements = (
        f"update {table.fullname} set {column} = {column}",
        f"delete from {table.fullname}",
        f"truncate {table.fullname}",
    )
    for statement in statements:
        assert f"permission denied for table {table.name}" in refused(warehouse, statement)
    allow_changes(warehouse, table.fullname)
    for statement in statements:
        verb = statement.split()[0]
        assert f"{verb} of {table.fullname} is refused" in refused(warehouse, statement)


def allow_changes(warehouse, table):
    with warehouse.begin() as connection:
        connection.execute(text(f"grant update, delete, truncate on {table} to current_user"))


def landed_delivery(connection):
    columns = (
        "source, kind, object, version, pull_id, landed_at, delivered_count, landed_count, "
        "quarantined_count, rounded_count"
    )
    connection.execute(
        text(
            f"insert into raw.deliveries ({columns}) "
            "values ('s', 'usage', 'o', '1', 'p', now(), 0, 0, 0, 0)"
        )
    )


def test_a_delivery_is_completed_by_its_own_transaction_and_by_no_later_one(warehouse):
    complete = text("update raw.deliveries set delivered_count = 2, landed_count = 2")
    with warehouse.begin() as connection:
        landed_delivery(connection)
        connection.execute(complete)
    assert "update of raw.deliveries is refused" in refused(warehouse, complete.text)
    assert "permission denied" in refused(warehouse, "delete from raw.deliveries")
    assert "permission denied" in refused(warehouse, "truncate raw.deliveries")
    allow_changes(warehouse, "raw.deliveries")
    assert "delete of raw.deliveries is refused" in refused(warehouse, "delete from raw.deliveries")
    assert "truncate of raw.deliveries" in refused(warehouse, "truncate raw.deliveries")
    with warehouse.begin() as connection:
        assert connection.execute(select(raw.deliveries.c.landed_count)).scalar() == 2


def test_tables_and_views_say_what_a_row_is(warehouse):
    with warehouse.begin() as connection:
        silent = connection.execute(
            text(
                """
                select relation.oid::regclass::text
                from pg_class as relation
                where
                    relation.relnamespace in (
                        'raw'::regnamespace, 'ops'::regnamespace,
                        'catalog'::regnamespace, 'billing'::regnamespace
                    )
                    and relation.relkind in ('r', 'v')
                    and obj_description(relation.oid, 'pg_class') is null
                """
            )
        ).scalars()
        assert list(silent) == []


def test_closed_views_have_the_columns_of_their_tables(warehouse):
    with warehouse.begin() as connection:
        periods = connection.execute(text("select * from billing.closed_periods")).keys()
        lines = connection.execute(text("select * from billing.closed_lines")).keys()
    assert list(periods) == [column.name for column in billing.invoices.columns]
    assert list(lines) == [column.name for column in billing.invoice_lines.columns]


# Readers.


@pytest.fixture
def owner(empty_database):
    owner = prepared(empty_database)
    yield owner
    owner.close()


@pytest.fixture
def reader(postgres, owner):
    reader = Warehouse(url=address_of(postgres, owner.engine.url.database, READER))
    yield reader
    reader.close()


def test_readers_see_the_marts_also_those_built_later(owner, reader):
    with owner.begin() as connection:
        connection.execute(text("create table marts.fct_later as select 42 as answer"))
    with reader.begin() as connection:
        assert connection.execute(text("select answer from fct_later")).scalar() == 42
        assert connection.execute(text("show statement_timeout")).scalar() == "5min"
        assert connection.execute(text("show transaction_read_only")).scalar() == "on"


@pytest.mark.parametrize(
    "statement",
    [
        "select * from raw.usage_records",
        "select * from billing.invoices",
        "select * from ops.source_states",
        "create table marts.mine (a int)",
        "set transaction read write; create table marts.mine (a int)",
        "set transaction read write; insert into marts.fct_later values (1)",
        "set transaction read write; create schema mine",
        "select pg_read_file('/etc/passwd')",
        "copy (select 1) to program 'true'",
        "set role meterhouse_owner",
    ],
)
def test_readers_may_do_nothing_else(owner, reader, statement):
    with owner.begin() as connection:
        connection.execute(text("create table if not exists marts.fct_later (a int)"))
    assert "permission denied" in refused(reader, statement) or "read-only" in refused(
        reader, statement
    )


def test_the_owner_runs_no_programs_on_the_machine(warehouse):
    assert "permission denied" in refused(warehouse, "copy (select 1) to program 'true'")
