"""Invoices over an archive: the same lines, and a word where their records are needed."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from assets.invoicing.approval import InvoiceStateError
from assets.invoicing.closing import ClosingRules
from assets.invoicing.explanation import usage_records
from assets.invoicing.recompute import SELECTION, compare_recomputation, prepare_recomputation
from assets.retention.archiving import archive_journal
from assets.retention.ledger import ArchiveRefused, archives_of_line
from assets.retention.restoring import restore_journal
from connectors.dbt import run_project
from connectors.embedded_postgres import EmbeddedPostgres
from tests.conftest import fresh_pipeline
from tests.golden.test_golden_month import CATALOG, USAGE, usage
from tests.pipeline import Pipeline

AS_OF = datetime(2026, 10, 3, tzinfo=UTC)
RULES = ClosingRules(grace=timedelta(days=1), usage_sources=("gateway",), approves_itself=False)
SEPTEMBER = date(2026, 9, 1)
# In Berlin a period begins at 22:00 UTC: the day is cut, and one of these users is seen on it only.
MORE = [
    usage("u5", "2026-08-31T21:00:00Z", "berlin", "users", "1", metadata={"user_id": "di"}),
    usage("u6", "2026-08-31T23:00:00Z", "berlin", "users", "1", metadata={"user_id": "ed"}),
    usage("a6", "2026-09-20T00:00:00Z", "acme-prod", "data", "9000000000"),
]
LINES = """
    select lines::text
    from marts.fct_invoice_lines as lines
    order by invoice_id, line_number
"""
LINE = "kolkata-2026:2026-08-01/usage/gpu/1"


@pytest.fixture(scope="module")
def closed(
    postgres: EmbeddedPostgres, prepared_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """August and September, finalised; October is open."""
    directory = tmp_path_factory.mktemp("closed")
    with fresh_pipeline(postgres, prepared_template, directory) as pipeline:
        pipeline.publish(CATALOG)
        pipeline.deliver("gateway", [*USAGE, *MORE])
        pipeline.build(AS_OF)
        with pytest.raises(ArchiveRefused, match="berlin-2026:2026-08-01"):
            archived(pipeline)
        close_all(pipeline)
        yield pipeline


def close_all(pipeline: Pipeline) -> None:
    """Close month by month: what one carries on, the next one has to be rated with."""
    while pipeline.close(RULES, AS_OF).finalised:
        pipeline.build(AS_OF)


def archived(pipeline: Pipeline) -> int:
    folder = pipeline.directory / "archive"
    now = datetime.now(UTC)
    return archive_journal(pipeline.warehouse, SEPTEMBER, folder, now).archive_id


def recomputes(pipeline: Pipeline, invoice_id: str) -> bool:
    prepare_recomputation(pipeline.warehouse, invoice_id)
    target = pipeline.directory / "recompute"
    results = list(run_project(["run", "--select", *SELECTION], target, "recompute"))
    assert all(result.is_successful for result in results), results
    comparison = compare_recomputation(pipeline.warehouse, invoice_id)
    assert comparison.differences == ()
    return comparison.is_same


def records_of(pipeline: Pipeline, line_id: str) -> list[Any]:
    with pipeline.warehouse.begin() as connection:
        return [tuple(row) for row in usage_records(connection, line_id)]


def test_an_archive_leaves_invoices_as_they_are(closed: Pipeline) -> None:
    lines = [tuple(row) for row in closed.rows(LINES)]
    records = records_of(closed, LINE)
    archive_id = archived(closed)
    left = {row.record_id for row in closed.rows("select record_id from journal.jnl_usage_entries")}
    # The hours that Kolkata's months cut, the days that Berlin's cut, corrections, and September.
    assert {"g1", "g2", "g3", "u5", "u6", "b2", "b2-corrected", "c8", "a5", "a6"} <= left
    assert not left & {"a1", "s1", "u1", "b1", "c0"}

    # All models anew, with all their tests: rollups carried over, closed periods rated again.
    with closed.warehouse.begin() as connection:
        connection.exec_driver_sql("delete from ops.rollups")
    closed.build(AS_OF)
    assert [tuple(row) for row in closed.rows(LINES)] == lines
    assert closed.rows("select * from rating.int_adjustments where amount <> 0") == []

    with closed.warehouse.begin() as connection:
        assert archives_of_line(connection, LINE) == [archive_id]
        assert archives_of_line(connection, "acme-2026:2026-09-01/usage/data/1") == []
    for invoice_id in ("kolkata-2026:2026-08-01", "kolkata-2026:2026-09-01"):
        with pytest.raises(InvoiceStateError, match=f"`meterhouse journal restore {archive_id}`"):
            prepare_recomputation(closed.warehouse, invoice_id)
    # Its own month is here, and nothing was added to August since it was finalised.
    assert recomputes(closed, "acme-2026:2026-09-01")

    restore_journal(closed.warehouse, archive_id, AS_OF)
    assert records_of(closed, LINE) == records
    assert recomputes(closed, "kolkata-2026:2026-08-01")


def test_what_came_late_is_needed_by_the_invoices_before_it(closed: Pipeline) -> None:
    """Rating an invoice again rates all that were closed before it, as the journal stood then."""
    closed.deliver(
        "gateway", [usage("late", "2026-08-15T00:00:00Z", "acme-prod", "data", "1")], "late"
    )
    closed.build(AS_OF)
    archive_id = archived(closed)
    with pytest.raises(InvoiceStateError, match="counts usage that is archived"):
        prepare_recomputation(closed.warehouse, "acme-2026:2026-09-01")
    restore_journal(closed.warehouse, archive_id, AS_OF)
    assert recomputes(closed, "acme-2026:2026-09-01")
