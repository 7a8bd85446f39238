"""What the journal promises: order, split and repetition of deliveries do not matter."""

import itertools
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal, localcontext

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.conftest import fresh_pipeline
from tests.pipeline import JOURNAL

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
ENTRIES = """
    select record_id, is_reversal, tenant_id, dimension_id, occurred_at, value, sign,
        metadata::text, corrects_key
    from journal.jnl_usage_entries
    inner join raw.deliveries using (delivery_id)
    order by record_id, is_reversal
"""
CONSERVED = """
    select deliveries.delivery_id
    from raw.deliveries
    left join ops.journaled_deliveries on deliveries.delivery_id = journaled_deliveries.delivery_id
    where deliveries.delivered_count is distinct from journaled_deliveries.journaled_count
        + journaled_deliveries.duplicate_count
        + journaled_deliveries.conflicting_count
        + deliveries.quarantined_count
"""

values = st.decimals(
    min_value=Decimal(-(10**20)), max_value=Decimal(10**20), places=9, allow_nan=False
)
days = st.integers(min_value=1, max_value=30)
hours = st.integers(min_value=0, max_value=23)
example_numbers = itertools.count(1)


@st.composite
def histories(draw):
    """Records with distinct ids, some of which correct others, chains included."""
    count = draw(st.integers(min_value=1, max_value=12))
    records = []
    uncorrected = []
    for number in range(count):
        record = {
            "id": f"r{number}",
            "timestamp": f"2026-09-{draw(days):02d}T{draw(hours):02d}:30:00Z",
            "tenant_id": draw(st.sampled_from(["t1", "t2"])),
            "dimension_id": draw(st.sampled_from(["calls", "bytes"])),
            "value": str(draw(st.one_of(st.just(Decimal(0)), values))),
        }
        if uncorrected and draw(st.booleans()):
            record["corrects"] = uncorrected.pop(draw(st.integers(0, len(uncorrected) - 1)))
        uncorrected.append(record["id"])
        records.append(record)
    return records


@st.composite
def deliveries(draw):
    """A history, and some way of delivering it: shuffled, repeated, in several files and builds.

    In the end come some of its ids that say something else, which changes nothing.
    """
    records = draw(histories())
    repeated = records + draw(st.lists(st.sampled_from(records), max_size=6))
    shuffled = draw(st.permutations(repeated))
    cuts = sorted(draw(st.lists(st.integers(0, len(shuffled)), max_size=3)))
    files = [
        shuffled[start:end] for start, end in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)
    ]
    contradicted = draw(st.lists(st.sampled_from(records), max_size=4))
    files.append([record | {"tenant_id": "t3"} for record in contradicted])
    builds = draw(st.lists(st.booleans(), min_size=len(files), max_size=len(files)))
    return records, files, builds


def expected_totals(records):
    """Add up the records that stand: an independent model of the journal."""
    corrected = {record["corrects"] for record in records if "corrects" in record}
    totals, counts = Counter(), Counter()
    # The default context would round to 28 digits, one less than these sums can have.
    with localcontext(prec=60):
        for record in records:
            key = (record["tenant_id"], record["dimension_id"])
            stands = record["id"] not in corrected
            cancels = "corrects" in record and Decimal(record["value"]) == 0
            totals[key] += Decimal(record["value"]) if stands else Decimal(0)
            counts[key] += stands and not cancels
    return {key: (totals[key], counts[key]) for key in totals}


@pytest.fixture(scope="module")
def journal(postgres, prepared_template, tmp_path_factory):
    with fresh_pipeline(
        postgres, prepared_template, tmp_path_factory.mktemp("journal")
    ) as pipeline:
        yield pipeline


def deliver(pipeline, source, files, builds):
    for number, (records, is_built) in enumerate(zip(files, builds, strict=True)):
        pipeline.deliver(source, records, f"{number:03d}")
        if is_built:
            pipeline.build(AS_OF, *JOURNAL)
    pipeline.build(AS_OF, *JOURNAL)


@settings(
    max_examples=10,
    deadline=None,
    # Each step of shrinking would take seconds of builds; the example itself is small.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(deliveries())
def test_the_journal_does_not_depend_on_how_records_are_delivered(journal, delivered):
    records, files, builds = delivered
    # Every example is a source of its own, so that all can share one warehouse.
    number = next(example_numbers)
    once, many = f"once{number}", f"many{number}"

    deliver(journal, once, [records], [False])
    deliver(journal, many, files, builds)

    def entries(source):
        found = journal.rows(ENTRIES.replace("order by", f"where source = '{source}' order by"))
        return [(*row[:8], row.corrects_key is not None) for row in found]

    assert entries(many) == entries(once)
    totals = journal.rows(
        "select tenant_id, dimension_id, sum(value) as value, sum(sign) as records"
        " from journal.jnl_usage_entries inner join raw.deliveries using (delivery_id)"
        f" where source = '{many}' group by 1, 2"
    )
    assert {
        (row.tenant_id, row.dimension_id): (row.value, row.records) for row in totals
    } == expected_totals(records)
    assert journal.rows(CONSERVED) == []


def test_delivering_everything_again_adds_no_entry(journal):
    records = [
        {
            "id": f"x{number}",
            "timestamp": "2026-09-01T00:00:00Z",
            "tenant_id": "t1",
            "dimension_id": "calls",
            "value": "1",
        }
        for number in range(50)
    ]
    deliver(journal, "again", [records], [False])
    before = journal.rows("select count(*) from journal.jnl_usage_entries")
    deliver(journal, "again", [records, records[::-1]], [True, True])
    assert journal.rows("select count(*) from journal.jnl_usage_entries") == before
    counts = journal.rows(
        "select journaled_count, duplicate_count from ops.journaled_deliveries"
        " where source = 'again' order by delivery_id"
    )
    assert [tuple(row) for row in counts] == [(50, 0), (0, 50)]


def test_the_same_id_with_other_content_is_refused_wherever_it_falls(journal):
    def record(value, day):
        return {
            "id": "same",
            "timestamp": f"2026-09-{day:02d}T00:00:00Z",
            "tenant_id": "t1",
            "dimension_id": "calls",
            "value": value,
        }

    deliver(journal, "conflict", [[record("1", 1), record("2", 1)]], [True])
    deliver(journal, "conflict", [[record("1", 1)], [record("1", 30)]], [False, True])
    entries = journal.rows(
        "select value from journal.jnl_usage_entries inner join raw.deliveries using (delivery_id)"
        " where source = 'conflict'"
    )
    assert [row.value for row in entries] == [Decimal("1.000000000")]
    refused = journal.rows(
        "select conflicts.reason from journal.jnl_conflicting_records as conflicts"
        " inner join raw.deliveries on conflicts.delivery_id = deliveries.delivery_id"
        " where deliveries.source = 'conflict'"
    )
    assert [row.reason for row in refused] == ["conflicting_id", "conflicting_id"]
    assert journal.rows(CONSERVED) == []


def test_a_cancellation_recorded_at_another_time_leaves_the_latest_value_there(pipeline):
    """It adds an entry without a value to another hour, day or month than that of its record."""
    usage = {"tenant_id": "t1", "dimension_id": "seats"}
    pipeline.deliver(
        "gateway",
        [
            usage | {"id": "old", "timestamp": "2026-08-31T10:30:00Z", "value": "5"},
            usage | {"id": "new", "timestamp": "2026-09-05T10:30:00Z", "value": "7"},
        ],
        "first",
    )
    pipeline.build(AS_OF, *JOURNAL, "+fct_usage_monthly")
    cancelled = {"timestamp": "2026-09-05T10:10:00Z", "value": "0", "corrects": "old"}
    pipeline.deliver("gateway", [usage | {"id": "cancelled"} | cancelled], "second")
    pipeline.build(AS_OF, *JOURNAL, "+fct_usage_monthly")
    for table in ("hourly", "daily", "monthly"):
        stands = f"select quantity_last from marts.fct_usage_{table} where record_count > 0"
        assert [row.quantity_last for row in pipeline.rows(stands)] == [7], table
