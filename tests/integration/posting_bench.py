"""What tests of posting share: a sandbox, an account in it, and the sight of the right end."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import stripe as stripe_package
from sqlalchemy import select

from assets.delivery.posting import PostingOutcome, post_invoice
from connectors.stripe_invoices import StripeInvoices
from connectors.stripe_records import StripeUnavailable
from connectors.warehouse import Warehouse
from models.tables import billing
from sandbox.stripe.server import StripeSandbox
from tests.integration.billing_rows import Line

KEY = "sk_test_0123456789abcdef"
MINUTE, DAY_AND_HOUR = 60, 25 * 3600
LINES = [Line("100.10"), Line("0.01"), Line("-20.00", "discount", "Discount", None)]
TWELVE_LINES = [*LINES, *[Line("1.00", description=f"Charge {n}") for n in range(9)]]
TOTAL = 8911


class CrashError(BaseException):
    """The process ends here: nothing catches it, and nothing more is written."""


@contextmanager
def running_sandbox() -> Iterator[StripeSandbox]:
    with StripeSandbox() as running:
        # An hour of its own, so that Stripe's and our clock are the same.
        running.service.clock.stop_at(1_790_000_000)
        yield running
        assert running.service.violations == []


def account(sandbox: StripeSandbox, **settings: Any) -> StripeInvoices:
    # Without retries of the package every fault reaches the posting.
    defaults = {"api_key": KEY, "api_base": sandbox.url, "network_retries": 0}
    resource = StripeInvoices(**{**defaults, **settings})
    resource._sleep = lambda _: None
    return resource


def v1(sandbox: StripeSandbox) -> Any:
    return stripe_package.StripeClient(KEY, base_addresses={"api": sandbox.url}).v1


def now(sandbox: StripeSandbox) -> datetime:
    return datetime.fromtimestamp(sandbox.service.clock.now(), UTC)


def post(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox, invoice_id: str
) -> PostingOutcome:
    return post_invoice(warehouse, stripe, invoice_id, now(sandbox))


def post_through(
    attempt: Callable[[], PostingOutcome], sandbox: StripeSandbox, pauses: Iterator[int]
) -> int:
    """Post again after every failure, as a schedule would; return how many failed."""
    for failures in range(8):
        try:
            attempt()
        except (StripeUnavailable, CrashError):
            sandbox.service.clock.advance(next(pauses))
        else:
            return failures
    raise AssertionError("eight attempts were not enough")


def outbox_of(warehouse: Warehouse, invoice_id: str) -> Any:
    with warehouse.begin() as connection:
        return connection.execute(
            select(billing.outbox).where(billing.outbox.c.invoice_id == invoice_id)
        ).one()


def in_stripe(sandbox: StripeSandbox, kind: str) -> list[dict[str, Any]]:
    return list(sandbox.service.store.oldest_first(kind))


def assert_posted_once(
    warehouse: Warehouse,
    sandbox: StripeSandbox,
    invoice_id: str,
    lines: list[Line],
    total: int = TOTAL,
) -> None:
    [invoice] = in_stripe(sandbox, "invoice")
    assert invoice["metadata"]["invoice_id"] == invoice_id
    assert (invoice["status"], invoice["total"]) == ("open", total)
    posted = in_stripe(sandbox, "line_item")
    assert [line["amount"] for line in posted] == [
        int(Decimal(line.amount) * 100) for line in lines
    ]
    assert len({line["metadata"]["invoice_line_id"] for line in posted}) == len(lines)
    assert len(in_stripe(sandbox, "customer")) == 1

    row = outbox_of(warehouse, invoice_id)
    assert (row.state, row.stripe_invoice_id, row.last_error) == ("posted", invoice["id"], None)
    with warehouse.begin() as connection:
        [status] = connection.execute(
            select(billing.stripe_invoices).where(
                billing.stripe_invoices.c.invoice_id == invoice_id
            )
        ).all()
        events = connection.execute(
            select(billing.invoice_events.c.event).where(
                billing.invoice_events.c.invoice_id == invoice_id
            )
        ).scalars()
        assert sorted(events) == ["approved", "finalised", "posted"]
    assert (status.status, status.currency, status.total) == ("open", "USD", Decimal(total) / 100)
    assert status.amount_remaining == Decimal(total) / 100


def crashing(sandbox: StripeSandbox, calls: set[int]) -> StripeInvoices:
    """Return an account with which the process ends after the calls of these numbers."""
    stripe = account(sandbox)
    number = itertools.count()
    request = stripe._call

    def call(made: Callable[[], Any]) -> Any:
        answer = request(made)
        if next(number) in calls:
            raise CrashError
        return answer

    object.__setattr__(stripe, "_call", call)
    return stripe
