"""Asset checks, each seen to pass and to fail on planted damage."""

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import dagster as dg
import pytest
from sqlalchemy import insert, text

from assets.checks.frozen_rows import (
    finalised_invoices_are_guarded,
    finalised_invoices_keep_their_content,
    invoice_numbers_have_no_gap,
    landed_rows_are_guarded,
    new_entries_are_as_booked,
    the_journal_is_guarded,
)
from assets.checks.landed_batches import landed_batches
from assets.checks.posted_invoices import (
    approved_invoices_are_queued,
    posted_invoices_are_in_stripe,
    totals_in_stripe_are_ours,
)
from assets.checks.verification import landed_suites, no_entry_was_taken_away
from connectors.partitions import ensure_days
from connectors.warehouse import Warehouse
from models.tables import billing, raw
from tests.integration.billing_rows import Line, approved_invoice
from tests.pipeline import JOURNAL, Pipeline

NOW = datetime(2026, 10, 2, tzinfo=UTC)


def damage(warehouse: Warehouse, table: str, *statements: str) -> None:
    """Change what is guarded, as somebody with the owner's password could."""
    with warehouse.begin() as connection:
        connection.execute(text(f"alter table {table} disable trigger user"))
        connection.execute(text(f"grant update, delete on {table} to current_user"))
        for statement in statements:
            connection.execute(text(statement))
        connection.execute(text(f"revoke update, delete on {table} from current_user"))
        connection.execute(text(f"alter table {table} enable trigger user"))


def usage_row(number: int) -> dict[str, object]:
    return {
        "landed_on": NOW.date(),
        "record_key": f"00000000-0000-0000-0000-{number:012d}",
        "record_id": str(number),
        "occurred_at": NOW,
        "tenant_id": "acme",
        "dimension_id": "calls",
        "value": Decimal(1),
    }


def cost_row(number: int) -> dict[str, object]:
    return {
        "source": "bill",
        "charge_period_start": NOW,
        "charge_period_end": NOW + timedelta(days=1),
        "billing_period_start": NOW,
        "billing_period_end": NOW + timedelta(days=30),
        "charge_category": "Usage",
        "service_name": f"service {number}",
        "billed_cost": Decimal(1),
        "effective_cost": Decimal(1),
        "billing_currency": "USD",
        "tags": {},
        "is_estimated": False,
    }


KINDS = {"usage": (raw.usage_records, usage_row), "cost": (raw.cost_lines, cost_row)}


def deliver(
    warehouse: Warehouse, kind: str = "usage", *, landed: int, written: int, quarantined: int = 0
) -> None:
    ensure_days(warehouse, raw.usage_records, NOW.date())
    table, row_of = KINDS[kind]
    with warehouse.begin() as connection:
        delivery_id = connection.execute(
            insert(raw.deliveries)
            .values(
                source="logs",
                kind=kind,
                object=f"object-{uuid4()}",
                version="1",
                pull_id="p",
                landed_at=NOW,
                delivered_count=landed + quarantined,
                landed_count=landed,
                quarantined_count=quarantined,
                rounded_count=0,
            )
            .returning(raw.deliveries.c.delivery_id)
        ).scalar_one()
        for number in range(1, written + 1):
            place = {"delivery_id": delivery_id, "row_number": number}
            connection.execute(insert(table), place | row_of(number))
        for number in range(quarantined):
            connection.execute(
                insert(raw.quarantine),
                {
                    "delivery_id": delivery_id,
                    "row_number": 1000 + number,
                    "reason": "bad_value",
                    "detail": "x",
                    "record": "{}",
                    "quarantined_at": NOW,
                },
            )


def failed_batches(warehouse: Warehouse) -> set[str]:
    return {result.check_name for result in landed_batches(warehouse) if not result.passed}


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_batch_passes(warehouse: Warehouse, kind: str) -> None:
    deliver(warehouse, kind, landed=2, written=2)
    assert failed_batches(warehouse) == set()


def test_without_a_batch_there_is_nothing_to_hold(warehouse: Warehouse) -> None:
    assert failed_batches(warehouse) == set()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("written", [1, 3, 0])
def test_rows_that_are_not_as_booked_fail_the_batch(
    warehouse: Warehouse, kind: str, written: int
) -> None:
    deliver(warehouse, kind, landed=1, written=1)
    deliver(warehouse, kind, landed=2, written=written)
    assert failed_batches(warehouse) == {f"new_{kind}_is_sound"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_missing_from_quarantine_fails_the_batch(warehouse: Warehouse, kind: str) -> None:
    deliver(warehouse, kind, landed=3, written=3, quarantined=1)
    assert failed_batches(warehouse) == set()
    damage(warehouse, "raw.quarantine", "delete from raw.quarantine")
    assert failed_batches(warehouse) == {f"new_{kind}_is_sound"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_delivery_that_is_mostly_quarantined_is_implausible(
    warehouse: Warehouse, kind: str
) -> None:
    deliver(warehouse, kind, landed=1, written=1, quarantined=2)
    assert failed_batches(warehouse) == {f"new_{kind}_is_plausible"}


def test_a_build_imports_no_suite(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Great Expectations alone would take longer to import than a small build to run."""
    monkeypatch.setitem(sys.modules, "assets.checks.expectations", None)
    deliver(warehouse, landed=1, written=1)
    assert failed_batches(warehouse) == set()


@pytest.fixture
def verify(warehouse: Warehouse) -> Iterator[Callable[..., dict[str, list[str]]]]:
    """Verify what has landed; returns the broken expectations of each check that failed."""
    with dg.DagsterInstance.ephemeral() as instance:

        def run(since: str | None = None) -> dict[str, list[str]]:
            result = dg.materialize(
                [landed_suites],
                selection=dg.AssetSelection.checks(landed_suites),
                instance=instance,
                resources={"warehouse": warehouse},
                run_config={"ops": {"landed_suites": {"config": {"since": since}}}},
                raise_on_error=False,
            )
            failed = [found for found in result.get_asset_check_evaluations() if not found.passed]
            assert result.success == (not failed)
            return {
                found.check_name: [
                    broken["expectation"] for broken in found.metadata["broken_expectations"].value
                ]
                for found in failed
            }

        yield run


@pytest.mark.parametrize("kind", KINDS)
def test_what_landed_as_booked_meets_its_suite(
    warehouse: Warehouse, verify: Callable[..., dict[str, list[str]]], kind: str
) -> None:
    assert verify() == {}
    deliver(warehouse, kind, landed=3, written=3, quarantined=1)
    assert verify() == {}


@pytest.mark.parametrize(
    ("kind", "change", "expectation"),
    [
        ("usage", "tenant_id = ''", "expect_column_value_lengths_to_be_between"),
        ("usage", "record_id = repeat('x', 256)", "expect_column_value_lengths_to_be_between"),
        ("usage", "row_number = 1", "expect_compound_columns_to_be_unique"),
        ("cost", "billing_currency = 'dollars'", "expect_column_value_lengths_to_equal"),
        (
            "cost",
            "charge_period_end = charge_period_start - interval '1 day'",
            "expect_column_pair_values_a_to_be_greater_than_b",
        ),
    ],
)
def test_damaged_rows_do_not_meet_their_suite(
    warehouse: Warehouse,
    verify: Callable[..., dict[str, list[str]]],
    kind: str,
    change: str,
    expectation: str,
) -> None:
    deliver(warehouse, kind, landed=3, written=3)
    table = KINDS[kind][0].fullname
    damage(warehouse, table, f"update {table} set {change} where row_number = 2")
    assert verify() == {f"landed_{kind}_meets_its_suite": [expectation]}


@pytest.mark.parametrize("kind", KINDS)
def test_books_that_are_not_kept_do_not_meet_their_suite(
    warehouse: Warehouse, verify: Callable[..., dict[str, list[str]]], kind: str
) -> None:
    deliver(warehouse, kind, landed=3, written=2)
    assert verify() == {f"landed_{kind}_meets_its_suite": ["expect_column_pair_values_to_be_equal"]}


def test_a_verification_goes_on_where_the_last_one_that_passed_got_to(
    warehouse: Warehouse, verify: Callable[..., dict[str, list[str]]]
) -> None:
    """Until a person says from when on to look: what is broken is not forgotten overnight."""
    deliver(warehouse, landed=3, written=2)
    assert verify()
    assert verify()
    assert verify(since=f"{NOW + timedelta(days=1):%Y-%m-%d}") == {}
    assert verify() == {}
    assert verify(since=f"{NOW:%Y-%m-%d}")


@pytest.mark.parametrize(
    ("check", "table"),
    [
        (landed_rows_are_guarded, "raw.usage_records"),
        (landed_rows_are_guarded, "raw.deliveries"),
        (landed_rows_are_guarded, f"raw.usage_records_{NOW:%Y%m%d}"),
        (finalised_invoices_are_guarded, "billing.invoices"),
        (finalised_invoices_are_guarded, "billing.invoice_lines"),
    ],
)
def test_a_guard_that_is_off_is_found(warehouse: Warehouse, check, table: str) -> None:
    ensure_days(warehouse, raw.usage_records, NOW.date())
    assert check(warehouse).passed
    with warehouse.begin() as connection:
        connection.execute(text(f"alter table {table} disable trigger user"))
    result = check(warehouse)
    assert not result.passed
    assert result.metadata["unguarded"].value == [table]


@pytest.mark.parametrize("privilege", ["update", "delete", "truncate"])
@pytest.mark.parametrize("table", ["raw.cost_lines", f"raw.usage_records_{NOW:%Y%m%d}"])
def test_a_privilege_that_was_granted_again_is_found(
    warehouse: Warehouse, table: str, privilege: str
) -> None:
    ensure_days(warehouse, raw.usage_records, NOW.date())
    with warehouse.begin() as connection:
        connection.execute(text(f"grant {privilege} on {table} to current_user"))
    result = landed_rows_are_guarded(warehouse)
    assert result.metadata["unguarded"].value == [table]


def test_a_guard_that_was_dropped_is_found(warehouse: Warehouse) -> None:
    with warehouse.begin() as connection:
        connection.execute(text("drop trigger refuse_change on billing.invoice_lines"))
    assert not finalised_invoices_are_guarded(warehouse).passed


def test_a_changed_invoice_is_found(warehouse: Warehouse) -> None:
    invoice_id = approved_invoice(warehouse, [Line("10.00")])
    with warehouse.begin() as connection:
        from assets.invoicing.documents import document_hash, read_document

        document = read_document(connection, "billing", invoice_id)
        assert document is not None
        content_hash = document_hash(document)
    damage(
        warehouse,
        "billing.invoices",
        f"update billing.invoices set content_hash = '{content_hash}'",
    )
    assert finalised_invoices_keep_their_content(warehouse).passed
    damage(
        warehouse, "billing.invoice_lines", "update billing.invoice_lines set amount = amount + 1"
    )
    assert not finalised_invoices_keep_their_content(warehouse).passed


def test_a_gap_in_the_numbers_is_found(warehouse: Warehouse) -> None:
    approved_invoice(warehouse, [Line("10.00")])
    assert invoice_numbers_have_no_gap(warehouse).passed
    damage(warehouse, "billing.invoices", "update billing.invoices set invoice_sequence = 2")
    assert not invoice_numbers_have_no_gap(warehouse).passed


def test_an_approved_invoice_that_nobody_posts_is_found(warehouse: Warehouse) -> None:
    approved_invoice(warehouse, [Line("10.00")])
    assert approved_invoices_are_queued(warehouse).passed
    damage(warehouse, "billing.outbox", "delete from billing.outbox")
    assert not approved_invoices_are_queued(warehouse).passed


def in_stripe(warehouse: Warehouse, invoice_id: str, identifier: str, total: str) -> None:
    with warehouse.begin() as connection:
        connection.execute(
            insert(billing.stripe_invoices),
            {
                "stripe_invoice_id": identifier,
                "invoice_id": invoice_id,
                "status": "open",
                "currency": "USD",
                "total": Decimal(total),
                "amount_due": Decimal(total),
                "amount_paid": Decimal(0),
                "amount_remaining": Decimal(total),
                "attempt_count": 0,
                "synced_at": NOW,
            },
        )


def test_a_posted_invoice_that_stripe_does_not_show_is_found(warehouse: Warehouse) -> None:
    invoice_id = approved_invoice(warehouse, [Line("10.00")])
    in_stripe(warehouse, invoice_id, "in_1", "10.00")
    posted = "update billing.outbox set state = 'posted', stripe_invoice_id = '{}'"
    damage(warehouse, "billing.outbox", posted.format("in_1"))
    assert posted_invoices_are_in_stripe(warehouse).passed
    damage(warehouse, "billing.outbox", posted.format("in_2"))
    assert not posted_invoices_are_in_stripe(warehouse).passed


def test_another_total_in_stripe_is_found(warehouse: Warehouse) -> None:
    in_stripe(warehouse, approved_invoice(warehouse, [Line("10.00")]), "in_1", "10.00")
    assert totals_in_stripe_are_ours(warehouse).passed
    in_stripe(warehouse, approved_invoice(warehouse, [Line("10.00")]), "in_2", "10.01")
    assert not totals_in_stripe_are_ours(warehouse).passed


def record(number: int, **other: str) -> dict[str, str]:
    named = {"id": f"r{number}", "tenant_id": "acme", "dimension_id": "calls", "value": "1"}
    return {**named, "timestamp": "2026-09-01T00:00:00Z", **other}


@pytest.fixture
def journal(pipeline: Pipeline) -> Pipeline:
    """A journal of two builds: three entries, one duplicate, one refused record."""
    pipeline.deliver("logs", [record(1), record(2), record(1)], "a")
    pipeline.build(NOW, *JOURNAL)
    pipeline.deliver("logs", [record(3), record(1, value="7")], "b")
    pipeline.build(NOW, *JOURNAL)
    return pipeline


def test_a_journal_is_as_booked_and_guarded(journal: Pipeline) -> None:
    warehouse = journal.warehouse
    assert the_journal_is_guarded(warehouse).passed
    new, whole = new_entries_are_as_booked(warehouse), no_entry_was_taken_away(warehouse)
    assert (new.passed, new.metadata["entries"].value) == (True, 1)
    assert (whole.passed, whole.metadata["entries"].value) == (True, 3)
    assert whole.metadata["refused"].value == 1


@pytest.mark.parametrize(("record_id", "is_new"), [("r3", True), ("r2", False)])
def test_an_entry_that_was_taken_away_is_found(
    journal: Pipeline, record_id: str, *, is_new: bool
) -> None:
    """At once where the last build wrote it, by a verification wherever it was."""
    warehouse, table = journal.warehouse, "journal.jnl_usage_entries"
    damage(warehouse, table, f"delete from {table} where record_id = '{record_id}'")
    assert new_entries_are_as_booked(warehouse).passed is not is_new
    assert not no_entry_was_taken_away(warehouse).passed


def test_a_partition_of_the_journal_without_a_guard_is_found(journal: Pipeline) -> None:
    with journal.warehouse.begin() as connection:
        connection.execute(text("grant update on journal.jnl_usage_entries_3 to current_user"))
        connection.execute(
            text("alter table journal.jnl_usage_entries_4 disable trigger refuse_truncate")
        )
    found = the_journal_is_guarded(journal.warehouse).metadata["unguarded"].value
    assert found == ["journal.jnl_usage_entries_3", "journal.jnl_usage_entries_4"]
