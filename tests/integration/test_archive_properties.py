"""What an archive promises: it changes nothing, wherever it cuts, whatever comes meanwhile."""

import itertools
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assets.checks.verification import no_entry_was_taken_away
from assets.retention.archiving import archive_journal
from assets.retention.ledger import ArchiveRefused
from assets.retention.replaying import replay_refused
from assets.retention.restoring import restore_journal
from connectors.dbt import run_project
from connectors.embedded_postgres import EmbeddedPostgres
from models.settings import FileSource
from tests.conftest import fresh_pipeline
from tests.pipeline import Pipeline

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
USAGE = ("+jnl_delivery_counts", "+fct_usage_monthly", "+int_usage_values_daily")
ENTRIES = """
    select record_id, is_reversal, tenant_id, dimension_id, occurred_at, value, metadata::text
    from journal.jnl_usage_entries
    inner join raw.deliveries using (delivery_id)
    where source = '{source}'
"""
CONSERVED = """
    select deliveries.delivery_id
    from raw.deliveries
    left join ops.journaled_deliveries as counted on deliveries.delivery_id = counted.delivery_id
    where deliveries.delivered_count is distinct from counted.journaled_count
        + counted.duplicate_count + counted.conflicting_count + deliveries.quarantined_count
"""
example_numbers = itertools.count(1)


@st.composite
def histories(draw: Any) -> list[dict[str, Any]]:
    """Records of five months with distinct ids, some of which correct others, chains included."""
    records: list[dict[str, Any]] = []
    uncorrected: list[str] = []
    for number in range(draw(st.integers(min_value=2, max_value=14))):
        month, day = draw(st.integers(5, 9)), draw(st.sampled_from([1, 15, 30]))
        record = {
            "id": f"r{number}",
            "timestamp": f"2026-{month:02d}-{day:02d}T{draw(st.integers(0, 23)):02d}:30:00Z",
            "tenant_id": draw(st.sampled_from(["t1", "t2"])),
            "dimension_id": draw(st.sampled_from(["calls", "bytes"])),
            "value": str(draw(st.decimals(-1000, 1000, places=9))),
            "metadata": draw(st.sampled_from([{}, {"n": 1.50}, {"n": "1.50", "b": True}])),
        }
        if uncorrected and draw(st.booleans()):
            record["corrects"] = uncorrected.pop(draw(st.integers(0, len(uncorrected) - 1)))
        uncorrected.append(str(record["id"]))
        records.append(record)
    return records


@st.composite
def stories(draw: Any) -> tuple[Any, ...]:
    """A history; what comes of it before the archive; the boundary; and all again, split."""
    records = draw(histories())
    early = [record for record in records if draw(st.booleans())]
    boundary = date(2026, draw(st.integers(6, 10)), 1)
    again = draw(st.permutations(records + early))
    cut = draw(st.integers(0, len(again)))
    return records, early, boundary, [again[:cut], again[cut:]]


def expected(records: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    """Return the entries of a history: each record, and the reversal of each corrected one."""
    corrected = {record["corrects"] for record in records if "corrects" in record}
    return {
        (
            record["id"],
            is_reversal,
            record["tenant_id"],
            record["dimension_id"],
            datetime.fromisoformat(record["timestamp"]),
            Decimal(record["value"]) * (-1 if is_reversal else 1),
        )
        for record in records
        for is_reversal in (False, True)
        if not is_reversal or record["id"] in corrected
    }


@pytest.fixture(scope="module")
def journal(
    postgres: EmbeddedPostgres, prepared_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    directory = tmp_path_factory.mktemp("archived")
    with fresh_pipeline(postgres, prepared_template, directory) as pipeline:
        yield pipeline


def build(pipeline: Pipeline) -> None:
    """Build, and hold what was built against the whole journal there is."""
    pipeline.build(AS_OF, *USAGE)
    test = ["test", "--select", "usage_rollups_equal_the_whole_journal"]
    assert [result.status for result in run_project(test, pipeline.directory / "dbt")] == ["pass"]
    assert pipeline.rows(CONSERVED) == []
    assert no_entry_was_taken_away(pipeline.warehouse).passed


@settings(
    max_examples=5,
    deadline=None,
    # Each step of shrinking would take seconds of builds; the example itself is small.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(stories())
def test_an_archive_changes_nothing(journal: Pipeline, story: tuple[Any, ...]) -> None:
    records, early, boundary, again = story
    # Every example is a source of its own, so that all can share one warehouse.
    source = f"source{next(example_numbers)}"
    journal.deliver(source, early, "early")
    build(journal)

    archive_id = None
    with suppress(ArchiveRefused):
        archive_id = archive_journal(
            journal.warehouse, boundary, journal.directory / "archive", AS_OF
        ).archive_id
    for number, part in enumerate(again):
        journal.deliver(source, part, f"again {number}")
        build(journal)
    if archive_id is not None:
        restore_journal(journal.warehouse, archive_id, AS_OF)

    settings_of_source = FileSource(name=source, type="file", path="*.jsonl")
    replay = replay_refused(journal.warehouse, settings_of_source, AS_OF)
    assert replay.remaining_count == 0
    build(journal)
    found = journal.rows(ENTRIES.format(source=source))
    assert {tuple(row)[:6] for row in found} == expected(records)
    assert len(found) == len(expected(records))
