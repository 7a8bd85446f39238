"""What dies half-way is completed by the next run, and nothing is there twice."""

import random
import threading
import time
from datetime import UTC, datetime

import dagster as dg
import jinja2
import pytest
from sqlalchemy import text

from assets.transform.builds import begin_build, build_inputs, finish_build, start_models
from assets.transform.dbt import DbtBuilds, dbt_models
from connectors.dbt import PROJECT_DIRECTORY, run_project
from connectors.dbt_process import DbtError
from tests.conftest import fresh_pipeline

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
MODELS = ["+jnl_delivery_counts", "jnl_control_totals", "+fct_usage_monthly"]
ENTRIES = """
    select record_id, is_reversal, tenant_id, dimension_id, occurred_at, value, sign
    from journal.jnl_usage_entries
    inner join raw.deliveries using (delivery_id)
    where source = '{}'
    order by record_id, is_reversal
"""
OUTCOMES = """
    select sum(delivered_count) = sum(journaled_count + duplicate_count + conflicting_count)
        and count(*) = count(journaled_deliveries.delivery_id)
    from raw.deliveries
    left join ops.journaled_deliveries using (delivery_id)
"""
ROLLUPS_ARE_WRONG = """
    with
    journal as (
        select
            date_trunc(unit, occurred_at, 'UTC') as starts_at, unit, tenant_id, dimension_id,
            sum(value) as quantity_sum, sum(sign) as record_count
        from journal.jnl_usage_entries
        cross join unnest(array['hour', 'day', 'month']) as units (unit)
        group by 1, 2, 3, 4
    ),
    cells as (
        select usage_hour as starts_at, 'hour' as unit, tenant_id, dimension_id,
            quantity_sum, record_count
        from marts.fct_usage_hourly
        union all
        select usage_date::timestamp at time zone 'UTC', 'day', tenant_id, dimension_id,
            quantity_sum, record_count
        from marts.fct_usage_daily
        union all
        select usage_month::timestamp at time zone 'UTC', 'month', tenant_id, dimension_id,
            quantity_sum, record_count
        from marts.fct_usage_monthly
    )
    select *
    from journal
    full join cells using (starts_at, unit, tenant_id, dimension_id)
    where (journal.quantity_sum, journal.record_count)
        is distinct from (cells.quantity_sum, cells.record_count)
"""


@pytest.fixture(scope="module")
def journal(postgres, prepared_template, tmp_path_factory):
    with fresh_pipeline(postgres, prepared_template, tmp_path_factory.mktemp("faults")) as pipeline:
        yield pipeline


def record(number, draw):
    return {
        "id": f"r{number}",
        "timestamp": f"2026-09-{draw.randint(1, 30):02d}T{draw.randint(0, 23):02d}:30:00Z",
        "tenant_id": draw.choice(["t1", "t2", "t3"]),
        "dimension_id": draw.choice(["calls", "bytes"]),
        "value": str(draw.randint(-1000, 1000)),
    }


def history(draw, count):
    """Return records, a tenth of which correct an earlier one that nothing has corrected yet."""
    records, open_ids = [], []
    for number in range(count):
        made = record(number, draw)
        if open_ids and draw.random() < 0.1:
            made["corrects"] = open_ids.pop(draw.randrange(len(open_ids)))
        open_ids.append(made["id"])
        records.append(made)
    return records


def build(pipeline):
    """Run one build of the journal and the rollups; returns whether all of it went through."""
    with pipeline.warehouse.begin() as connection:
        inputs = build_inputs(connection, "none", AS_OF, "adjust", "tests")
        number = begin_build(connection, inputs, datetime.now(UTC))
    try:
        results = list(run_project(["run", "--select", *MODELS], pipeline.directory / "dbt"))
    except DbtError:
        return False
    if not all(result.is_successful for result in results):
        return False
    with pipeline.warehouse.begin() as connection:
        finish_build(connection, number, datetime.now(UTC))
    return True


def kill_builds_after(pipeline, seconds):
    """End every connection of dbt to this database once the time is over."""

    def kill():
        time.sleep(seconds)
        with pipeline.warehouse.begin() as connection:
            connection.execute(
                text(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where application_name = 'dbt' and datname = current_database()"
                )
            )

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


@pytest.mark.parametrize("seed", range(4))
def test_builds_that_are_killed_leave_nothing_half_done(journal, seed):
    draw = random.Random(seed)  # noqa: S311 - repeatable, not secret
    records = history(draw, 400)
    once, many = f"whole{seed}", f"killed{seed}"
    journal.deliver(once, records)
    assert build(journal)
    delivered = records + draw.sample(records, 100)
    draw.shuffle(delivered)
    # What comes last says something else than what stands, and is refused.
    delivered += [{**record, "tenant_id": "t4"} for record in draw.sample(records, 25)]
    for number in range(5):
        journal.deliver(many, delivered[number * 105 : number * 105 + 105], f"{number}")
        killer = kill_builds_after(journal, draw.uniform(0.05, 1.5))
        build(journal)
        killer.join()
    assert build(journal)
    assert journal.rows(ENTRIES.format(many)) == journal.rows(ENTRIES.format(once))
    assert journal.rows(OUTCOMES)[0][0]
    assert journal.rows(ROLLUPS_ARE_WRONG) == []


def test_rollups_that_were_damaged_are_found_and_made_anew(journal):
    draw = random.Random(50)  # noqa: S311 - repeatable, not secret
    journal.deliver("damaged", [record(number, draw) for number in range(50)])
    assert build(journal)
    with journal.warehouse.begin() as connection:
        connection.execute(
            text("update marts.fct_usage_hourly set quantity_sum = quantity_sum + 1")
        )
    check = ["test", "--select", "usage_rollups_equal_the_whole_journal"]
    assert [it.status for it in run_project(check, journal.directory / "dbt")] == ["fail"]
    with journal.warehouse.begin() as connection:
        connection.execute(text("delete from ops.rollups"))
    assert build(journal)
    assert [it.status for it in run_project(check, journal.directory / "dbt")] == ["pass"]


def sampling():
    """Return the macros that choose what a build looks at."""
    file = PROJECT_DIRECTORY / "macros" / "meaning" / "sampled_hour.sql"
    return jinja2.Environment().from_string(file.read_text()).module  # noqa: S701 - it writes SQL.


@pytest.mark.parametrize("month_count", [2, 7])
def test_every_hour_of_the_months_with_usage_is_sampled_once_with_each_slice(journal, month_count):
    macros = sampling()
    hour = macros.sampled_hour("months", "number")
    chosen = macros.sampled_slice("months", "number")
    cells = month_count * 31 * 24
    [found] = journal.rows(
        f"""
        with months as materialized (
            select (date '1970-01-01' + place % {month_count} * interval '2 months')::date
                as usage_month
            from generate_series(1, {2 * month_count}) as places (place)
        )
        select
            count(distinct {hour}) as hours,
            count(distinct ({hour}, {chosen})) as sampled,
            min({hour}) as first
        from generate_series(500, 500 + 7 * {cells} - 1) as numbers (number)
        """
    )
    assert (found.hours, found.sampled, found.first.year) == (cells, 7 * cells, 1970)


def test_every_tenant_is_of_one_slice_and_none_is_empty(journal):
    tenant_slice = sampling().slice_of("number::text")
    found = journal.rows(
        f"select {tenant_slice} as slice from generate_series(1, 1000) as ids (number) group by 1"
    )
    assert sorted(row.slice for row in found) == list(range(7))


@pytest.mark.parametrize("table", ["fct_usage_hourly", "fct_usage_daily", "fct_usage_monthly"])
def test_a_damaged_cell_is_found_by_the_build_that_looks_at_it(journal, table):
    """Its totals are right: only the cell itself tells."""
    draw = random.Random(table)  # noqa: S311 - repeatable, not secret
    damaged = record(1, draw)
    journal.deliver(table, [damaged, *(record(number, draw) for number in range(2, 9))])
    assert build(journal)
    macros = sampling()
    hour = macros.sampled_hour("journal.jnl_control_totals", "number")
    at = damaged["timestamp"].replace(":30:00Z", ":00:00Z")
    chosen = macros.sampled_slice("journal.jnl_control_totals", "number")
    slices = f"{chosen} = {macros.slice_of(':tenant')}"
    look = text(
        f"update ops.parameters set build_number = (select min(number)"
        f" from generate_series(1, 100000) as numbers (number) where {hour} = :at and {slices})"
    )
    damage = text(
        f"update marts.{table} set quantity_max = quantity_max + 1 where tenant_id = :tenant"
        " and dimension_id = :dimension"
    )
    with journal.warehouse.begin() as connection:
        connection.execute(look, {"at": at, "tenant": damaged["tenant_id"]})
    check = ["test", "--select", "usage_rollups_equal_the_journal"]
    assert [it.status for it in run_project(check, journal.directory / "dbt")] == ["pass"]
    with journal.warehouse.begin() as connection:
        connection.execute(
            damage, {"tenant": damaged["tenant_id"], "dimension": damaged["dimension_id"]}
        )
    assert [it.status for it in run_project(check, journal.directory / "dbt")] == ["fail"]
    with journal.warehouse.begin() as connection:
        connection.execute(text("delete from ops.rollups"))
    assert build(journal)


def test_a_run_of_models_that_is_repeated_loses_nothing_that_landed_meanwhile(journal):
    """Rollups know the last build they hold: what came later under its number would be missed."""

    def run_models():
        with journal.warehouse.begin() as connection:
            number = start_models(connection, datetime.now(UTC), are_all=True)
        selected = ["run", "--select", *MODELS]
        assert all(it.is_successful for it in run_project(selected, journal.directory / "dbt"))
        return number

    draw = random.Random(7)  # noqa: S311 - repeatable, not secret
    journal.deliver("repeated", [record(number, draw) for number in range(20)], "first")
    with journal.warehouse.begin() as connection:
        begin_build(
            connection, build_inputs(connection, "none", AS_OF, "adjust", "x"), datetime.now(UTC)
        )
    first = run_models()
    journal.deliver("repeated", [record(number, draw) for number in range(20, 40)], "second")
    assert run_models() > first
    assert journal.rows(ROLLUPS_ARE_WRONG) == []


def test_nobody_is_refused_by_entries_that_could_not_be_written(journal):
    """A lower id may still be on its way, and would decide otherwise: a refusal is for ever."""
    draw = random.Random(8)  # noqa: S311 - repeatable, not secret
    first = record(1, draw)
    assert build(journal)
    refused = journal.rows("select count(*) from journal.jnl_conflicting_records")
    journal.deliver("refused", [first, {**first, "value": "1001"}])
    with journal.warehouse.begin() as connection:
        connection.execute(
            text(
                "create trigger fail before insert on journal.jnl_usage_entries"
                " for each row execute function ops.refuse_change()"
            )
        )
    assert not build(journal)
    assert journal.rows("select count(*) from journal.jnl_conflicting_records") == refused
    with journal.warehouse.begin() as connection:
        connection.execute(text("drop trigger fail on journal.jnl_usage_entries"))
    assert build(journal)
    assert len(journal.rows(ENTRIES.format("refused"))) == 1
    assert journal.rows(OUTCOMES)[0][0]


def test_a_correction_that_was_refused_takes_no_place(journal):
    """What comes under its id later is refused, too, and another correction of the same stands."""
    draw = random.Random(9)  # noqa: S311 - repeatable, not secret
    one, other, taken, refused, last = (record(number, draw) for number in range(5))
    journal.deliver("places", [one, other, {**taken, "corrects": "r0"}], "first")
    journal.deliver("places", [{**refused, "corrects": "r0"}], "second")
    assert build(journal)
    again = {**refused, "corrects": "r1"}
    journal.deliver("places", [again, {**last, "corrects": "r1"}], "third")
    assert build(journal)
    standing = [row.record_id for row in journal.rows(ENTRIES.format("places"))]
    assert sorted(standing) == ["r0", "r0", "r1", "r1", "r2", "r4"]
    assert journal.rows(OUTCOMES)[0][0]


def test_a_correction_that_names_no_record_is_told_of(journal):
    draw = random.Random(11)  # noqa: S311 - repeatable, not secret
    one, other = (record(number, draw) for number in range(2))
    journal.deliver("waiting", [{**one, "corrects": "r5"}, {**other, "corrects": "r6"}], "first")
    cancelled = {**one, "id": "cancelled", "corrects": "r1", "value": "0"}
    journal.deliver("waiting", [cancelled], "second")
    assert build(journal)
    check = ["test", "--select", "corrections_have_found_their_original"]
    results = list(run_project(check, journal.directory / "dbt"))
    assert [(it.status, it.failure_count) for it in results] == [("warn", 1)]


def test_a_part_of_the_journal_is_built_with_all_before_it(journal):
    """Whoever picks one table in Dagster's pages journals what is new, and nothing twice.

    A rollup of another one may be picked before that one has seen what is new.
    """
    draw = random.Random(10)  # noqa: S311 - repeatable, not secret
    assert build(journal)
    dbt = DbtBuilds(target_directory=str(journal.directory / "dbt"))
    entries, days = ["journal", "jnl_usage_entries"], ["marts", "fct_usage_daily"]
    for number in range(2):
        journal.deliver("parts", [record(number, draw)], f"{number}")
        for picked in (entries, entries, days)[: 2 + number]:
            result = dg.materialize(
                [dbt_models()],
                selection=[dg.AssetKey(picked)],
                resources={"warehouse": journal.warehouse, "dbt": dbt},
            )
            assert result.success
    assert len(journal.rows(ENTRIES.format("parts"))) == 2
    assert build(journal)
    assert journal.rows(ROLLUPS_ARE_WRONG) == []
