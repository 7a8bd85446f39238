"""Asset checks, each seen to pass and to fail on planted damage."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import insert, text

from assets.checks.frozen_rows import (
    finalised_invoices_are_guarded,
    finalised_invoices_keep_their_content,
    invoice_numbers_have_no_gap,
    landed_rows_are_guarded,
)
from assets.checks.landed_batches import landed_batches
from assets.checks.posted_invoices import (
    approved_invoices_are_queued,
    posted_invoices_are_in_stripe,
    totals_in_stripe_are_ours,
)
from connectors.warehouse import Warehouse
from models.tables import billing, raw
from tests.integration.billing_rows import Line, approved_invoice

NOW = datetime(2026, 10, 2, tzinfo=UTC)


def damage(warehouse: Warehouse, table: str, *statements: str) -> None:
    """Change what is guarded, as somebody with the owner's password could."""
    with warehouse.begin() as connection:
        connection.execute(text(f"alter table {table} disable trigger user"))
        for statement in statements:
            connection.execute(text(statement))
        connection.execute(text(f"alter table {table} enable trigger user"))


def deliver(warehouse: Warehouse, *, landed: int, written: int, quarantined: int = 0) -> None:
    with warehouse.begin() as connection:
        delivery_id = connection.execute(
            insert(raw.deliveries)
            .values(
                source="logs",
                kind="usage",
                object=f"object-{landed}-{written}",
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
            connection.execute(
                insert(raw.usage_records),
                {
                    "delivery_id": delivery_id,
                    "row_number": number,
                    "record_key": f"00000000-0000-0000-0000-{delivery_id:06d}{number:06d}",
                    "source": "logs",
                    "record_id": str(number),
                    "occurred_at": NOW,
                    "tenant_id": "acme",
                    "dimension_id": "calls",
                    "value": Decimal(1),
                    "content_hash": "00000000-0000-0000-0000-000000000001",
                },
            )
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


def test_a_sound_batch_passes(warehouse: Warehouse) -> None:
    deliver(warehouse, landed=2, written=2)
    assert failed_batches(warehouse) == set()


def test_without_a_new_batch_nothing_is_imported(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "assets.checks.expectations", None)
    assert failed_batches(warehouse) == set()


def test_rows_that_are_not_there_fail_the_batch(warehouse: Warehouse) -> None:
    deliver(warehouse, landed=3, written=2)
    assert failed_batches(warehouse) == {"new_usage_is_sound"}


def test_a_row_of_nobody_fails_the_batch(warehouse: Warehouse) -> None:
    deliver(warehouse, landed=2, written=2)
    damage(
        warehouse,
        "raw.usage_records",
        "update raw.usage_records set tenant_id = '' where row_number = 1",
    )
    assert failed_batches(warehouse) == {"new_usage_is_sound"}


def test_a_delivery_that_is_mostly_quarantined_is_implausible(warehouse: Warehouse) -> None:
    deliver(warehouse, landed=1, written=1, quarantined=2)
    assert failed_batches(warehouse) == {"new_usage_is_plausible"}


@pytest.mark.parametrize(
    ("check", "table"),
    [
        (landed_rows_are_guarded, "raw.usage_records"),
        (landed_rows_are_guarded, "raw.deliveries"),
        (finalised_invoices_are_guarded, "billing.invoices"),
        (finalised_invoices_are_guarded, "billing.invoice_lines"),
    ],
)
def test_a_guard_that_is_off_is_found(warehouse: Warehouse, check, table: str) -> None:
    assert check(warehouse).passed
    with warehouse.begin() as connection:
        connection.execute(text(f"alter table {table} disable trigger user"))
    result = check(warehouse)
    assert not result.passed
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
