"""Posting ends in exactly one right invoice in Stripe, whatever fails and whenever."""

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import stripe as stripe_package
from sqlalchemy import select

from assets.delivery.outbox import PostingError, idempotency_key
from assets.delivery.payments import sync_payments
from assets.delivery.posting import PostingOutcome, pending_postings, post_invoice
from assets.delivery.voiding import void_invoice
from assets.invoicing.approval import InvoiceStateError, record_void
from connectors.stripe_invoices import ATTEMPTS_WHEN_LIMITED, StripeInvoices
from connectors.stripe_records import StripeUnavailable
from connectors.warehouse import Warehouse
from models.tables import billing
from sandbox.stripe.faults import Fault
from sandbox.stripe.server import StripeSandbox
from tests.integration.billing_rows import Line, approved_invoice, new_customer

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


@pytest.fixture
def sandbox() -> Iterator[StripeSandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def stripe(sandbox: StripeSandbox) -> StripeInvoices:
    return account(sandbox)


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


def test_a_first_posting_takes_three_calls(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    customer = new_customer(warehouse)
    first = approved_invoice(warehouse, LINES, customer_id=customer)
    outcome = post(warehouse, stripe, sandbox, first)
    assert (outcome.status, outcome.is_new) == ("open", True)
    assert_posted_once(warehouse, sandbox, first, LINES, 8011)

    sandbox.service.calls.clear()
    post(warehouse, stripe, sandbox, approved_invoice(warehouse, LINES, customer_id=customer))
    assert dict(sandbox.service.calls) == {
        "POST /v1/invoices": 1,
        "POST /v1/invoices/{invoice}/add_lines": 1,
        "POST /v1/invoices/{invoice}/finalize": 1,
    }


def test_posting_again_changes_nothing_and_asks_nothing(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    invoice_id = approved_invoice(warehouse, LINES)
    first = post(warehouse, stripe, sandbox, invoice_id)
    before = outbox_of(warehouse, invoice_id)
    sandbox.service.calls.clear()
    sandbox.service.clock.advance(DAY_AND_HOUR)
    again = post(warehouse, stripe, sandbox, invoice_id)
    assert (again.stripe_invoice_id, again.is_new) == (first.stripe_invoice_id, False)
    assert not sandbox.service.calls
    assert outbox_of(warehouse, invoice_id) == before


def test_an_invoice_in_stripe_says_what_the_customer_needs(
    warehouse: Warehouse, sandbox: StripeSandbox
) -> None:
    customer = new_customer(warehouse, name="Bären GmbH", timezone="Europe/Berlin", country="DE")
    invoice_id = approved_invoice(
        warehouse, [Line("10.00"), Line("1.90", "tax", "VAT 19 %", None)], customer_id=customer
    )
    terms = {"collection": "send_invoice", "days_until_due": 14, "payment_methods": ["card"]}
    post(warehouse, account(sandbox, **terms), sandbox, invoice_id)

    [invoice] = in_stripe(sandbox, "invoice")
    assert invoice["due_date"] == sandbox.service.clock.now() + 14 * 24 * 3600
    assert invoice["number"].startswith("INV-")
    assert invoice["payment_settings"]["payment_method_types"] == ["card"]
    assert (invoice["customer_name"], invoice["customer_address"]["country"]) == (
        "Bären GmbH",
        "DE",
    )
    assert invoice["auto_advance"] is True
    usage, tax = in_stripe(sandbox, "line_item")
    assert usage["description"] == "Data processed: 12.5 gigabyte (2026-09-01 to 2026-09-30)"
    assert tax["description"] == "VAT 19 % (2026-09-01 to 2026-09-30)"
    assert usage["metadata"]["quantity"] == "12.500000000"
    # Midnight in Berlin, and the last second of September there.
    assert usage["period"] == {"start": 1_788_213_600, "end": 1_790_805_599}


# The calls that write are: customer, draft, lines, finalisation.
CALLS_AND_PAUSES = list(itertools.product(range(4), [MINUTE, DAY_AND_HOUR]))


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "stored_500", "status_429"])
def test_a_fault_at_any_call_leaves_one_invoice(warehouse: Warehouse, kind: Any) -> None:
    times = ATTEMPTS_WHEN_LIMITED if kind == "status_429" else 1
    for call, pause in CALLS_AND_PAUSES:
        with running_sandbox() as sandbox:
            sandbox.service.faults.add(Fault(kind, skip=call, times=times))
            failures = post_to_the_end(
                warehouse, account(sandbox), sandbox, itertools.repeat(pause)
            )
        assert failures == 1, (call, pause)


def test_a_process_that_ends_after_any_call_leaves_one_invoice(warehouse: Warehouse) -> None:
    for call, pause in CALLS_AND_PAUSES:
        with running_sandbox() as sandbox:
            stripe = crashing(sandbox, {call})
            failures = post_to_the_end(warehouse, stripe, sandbox, itertools.repeat(pause))
        assert failures == 1, (call, pause)


@pytest.mark.parametrize("first_seed", range(0, 30, 10))
def test_any_sequence_of_faults_leaves_one_invoice(warehouse: Warehouse, first_seed: int) -> None:
    for seed in range(first_seed, first_seed + 10):
        with running_sandbox() as sandbox:
            chance = random.Random(seed)  # noqa: S311 - faults, the same for the same seed
            for _ in range(3):
                sandbox.service.faults.add(any_fault(chance))
            stripe = crashing(sandbox, set(chance.sample(range(12), 2)))
            pauses = (chance.choice([1, MINUTE, 22 * 3600, DAY_AND_HOUR]) for _ in range(8))
            post_to_the_end(warehouse, stripe, sandbox, pauses)


def any_fault(chance: random.Random) -> Fault:
    kind: Any = chance.choice(["drop_before", "drop_after", "stored_500", "lock_timeout"])
    method = chance.choice(["POST", "POST", "GET"])
    return Fault(kind, method=method, skip=chance.randrange(4))


def post_to_the_end(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox, pauses: Iterator[int]
) -> int:
    """Post one invoice through all faults to the right end; return how many attempts failed."""
    invoice_id = approved_invoice(warehouse, TWELVE_LINES)
    failures = post_through(lambda: post(warehouse, stripe, sandbox, invoice_id), sandbox, pauses)
    assert_posted_once(warehouse, sandbox, invoice_id, TWELVE_LINES)
    return failures


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


def test_two_threads_post_one_invoice(warehouse: Warehouse, sandbox: StripeSandbox) -> None:
    invoice_id = approved_invoice(warehouse, LINES)
    sandbox.service.faults.add(Fault("delay", times=4, seconds=0.1))
    outcomes: list[PostingOutcome] = []

    def one() -> None:
        outcomes.append(post(warehouse, account(sandbox), sandbox, invoice_id))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.is_new for outcome in outcomes) == [False, True]
    assert_posted_once(warehouse, sandbox, invoice_id, LINES, 8011)


def test_invoices_of_one_customer_posted_together_make_one_customer(
    warehouse: Warehouse, sandbox: StripeSandbox
) -> None:
    customer = new_customer(warehouse)
    invoices = [approved_invoice(warehouse, LINES, customer_id=customer) for _ in range(3)]
    threads = [
        threading.Thread(target=post, args=(warehouse, account(sandbox), sandbox, invoice_id))
        for invoice_id in invoices
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(in_stripe(sandbox, "customer")) == 1
    found = {invoice["metadata"]["invoice_id"] for invoice in in_stripe(sandbox, "invoice")}
    assert found == set(invoices)


def test_a_customer_whose_making_was_lost_is_found_by_the_next_invoice(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    customer = new_customer(warehouse)
    lost, later = (approved_invoice(warehouse, LINES, customer_id=customer) for _ in range(2))
    sandbox.service.faults.add(Fault("drop_after", path="/v1/customers"))
    with pytest.raises(StripeUnavailable):
        post(warehouse, stripe, sandbox, lost)
    sandbox.service.clock.advance(DAY_AND_HOUR)
    post(warehouse, stripe, sandbox, later)
    post(warehouse, stripe, sandbox, lost)
    assert len(in_stripe(sandbox, "customer")) == 1


def test_the_customer_that_the_catalog_names_is_used(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    existing = v1(sandbox).customers.create({"name": "Acme"}).id
    customer = new_customer(warehouse, stripe_customer=existing)
    post(warehouse, stripe, sandbox, approved_invoice(warehouse, LINES, customer_id=customer))
    assert [invoice["customer"] for invoice in in_stripe(sandbox, "invoice")] == [existing]
    assert len(in_stripe(sandbox, "customer")) == 1


def test_a_refusal_waits_for_a_person_and_then_succeeds(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    customer = new_customer(warehouse, stripe_customer="cus_gone")
    invoice_id = approved_invoice(warehouse, LINES, customer_id=customer)
    with pytest.raises(PostingError, match="No such customer: 'cus_gone'"):
        post(warehouse, stripe, sandbox, invoice_id)
    row = outbox_of(warehouse, invoice_id)
    assert (row.state, row.last_http_status) == ("failed", 404)
    assert "request req_" in row.last_error
    assert [(p.invoice_id, p.state) for p in pending_postings(warehouse) if
            p.invoice_id == invoice_id] == [(invoice_id, "failed")]  # fmt: skip

    existing = v1(sandbox).customers.create({"name": "Acme"}).id
    new_customer(warehouse, customer, stripe_customer=existing)
    post(warehouse, stripe, sandbox, invoice_id)
    assert_posted_once(warehouse, sandbox, invoice_id, LINES, 8011)


def test_another_total_in_stripe_is_not_finalised(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    invoice_id = approved_invoice(warehouse, LINES)
    with pytest.raises(CrashError):
        post(warehouse, crashing(sandbox, {2}), sandbox, invoice_id)
    [draft] = in_stripe(sandbox, "invoice")
    strange = v1(sandbox).invoices.add_lines(draft["id"], {"lines": [{"amount": 1}]})
    with pytest.raises(PostingError, match=r"totals 80\.12 USD, and ours 80\.110? USD"):
        post(warehouse, stripe, sandbox, invoice_id)
    assert outbox_of(warehouse, invoice_id).state == "failed"
    assert [invoice["status"] for invoice in in_stripe(sandbox, "invoice")] == ["draft"]

    line = {"id": strange.lines.data[-1].id, "behavior": "delete"}
    v1(sandbox).invoices.remove_lines(draft["id"], {"lines": [line]})
    post(warehouse, stripe, sandbox, invoice_id)
    assert_posted_once(warehouse, sandbox, invoice_id, LINES, 8011)


def test_a_line_that_someone_removed_is_added_again(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    """The key of the first adding would only repeat its answer: the total is asked for anew."""
    invoice_id = approved_invoice(warehouse, LINES)
    with pytest.raises(CrashError):
        post(warehouse, crashing(sandbox, {2}), sandbox, invoice_id)
    [draft] = in_stripe(sandbox, "invoice")
    removed = [{"id": line["id"], "behavior": "delete"} for line in in_stripe(sandbox, "line_item")]
    v1(sandbox).invoices.remove_lines(draft["id"], {"lines": removed})
    with pytest.raises(PostingError):
        post(warehouse, stripe, sandbox, invoice_id)
    post(warehouse, stripe, sandbox, invoice_id)
    assert_posted_once(warehouse, sandbox, invoice_id, LINES, 8011)


def test_a_draft_that_someone_deleted_is_made_again(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    invoice_id = approved_invoice(warehouse, LINES)
    with pytest.raises(CrashError):
        post(warehouse, crashing(sandbox, {2}), sandbox, invoice_id)
    v1(sandbox).invoices.delete(in_stripe(sandbox, "invoice")[0]["id"])
    with pytest.raises(PostingError, match="was deleted in Stripe"):
        post(warehouse, stripe, sandbox, invoice_id)
    post(warehouse, stripe, sandbox, invoice_id)
    assert_posted_once(warehouse, sandbox, invoice_id, LINES, 8011)


def test_a_call_that_is_still_executed_is_never_made_twice(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    """Its caller has given up, and nothing can be found of it yet: only its key tells."""
    invoice_id = approved_invoice(warehouse, LINES)
    sandbox.service.faults.add(Fault("drop_late", path="/v1/invoices", seconds=1.5))
    for _ in range(3):
        with pytest.raises(StripeUnavailable):
            post(warehouse, stripe, sandbox, invoice_id)
    post_through(
        lambda: post(warehouse, stripe, sandbox, invoice_id), sandbox, real_pauses(seconds=0.3)
    )
    assert_posted_once(warehouse, sandbox, invoice_id, LINES, 8011)


def real_pauses(seconds: float) -> Iterator[int]:
    while True:
        time.sleep(seconds)
        yield 1


def test_keys_are_kept_while_an_outcome_is_unknown_and_stripe_remembers_them(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    invoice_id = approved_invoice(warehouse, LINES)
    attempts = []
    for kind, pause in [
        ("drop_before", MINUTE),
        ("drop_before", DAY_AND_HOUR),
        ("stored_500", MINUTE),
        ("drop_before", MINUTE),
    ]:
        fault: Any = kind
        sandbox.service.faults.add(Fault(fault))
        with pytest.raises(StripeUnavailable):
            post(warehouse, stripe, sandbox, invoice_id)
        attempts.append(outbox_of(warehouse, invoice_id).attempt)
        sandbox.service.clock.advance(pause)
    # The same after a minute, new after a day, new after an answer.
    assert attempts == [0, 0, 1, 2]


def test_a_key_used_for_other_words_is_replaced(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    customer = new_customer(warehouse)
    failed, later = (approved_invoice(warehouse, LINES, customer_id=customer) for _ in range(2))
    sandbox.service.faults.add(Fault("stored_500", path="/v1/customers"))
    with pytest.raises(StripeUnavailable):
        post(warehouse, stripe, sandbox, failed)
    new_customer(warehouse, customer, name="Acme Incorporated")
    failures = post_through(
        lambda: post(warehouse, stripe, sandbox, later), sandbox, itertools.repeat(MINUTE)
    )
    assert failures == 1
    assert [found["name"] for found in in_stripe(sandbox, "customer")] == ["Acme Incorporated"]


def test_a_short_pause_of_stripe_is_waited_for(
    warehouse: Warehouse, sandbox: StripeSandbox
) -> None:
    waits: list[float] = []
    stripe = account(sandbox)
    stripe._sleep = waits.append
    sandbox.service.faults.add(Fault("status_429", times=2, retry_after="3"))
    sandbox.service.faults.add(Fault("status_429", times=2, skip=1))
    invoice_id = approved_invoice(warehouse, LINES)
    post(warehouse, stripe, sandbox, invoice_id)
    assert waits == [3.0, 3.0, 0.5, 1.0]
    assert_posted_once(warehouse, sandbox, invoice_id, LINES, 8011)


def test_more_than_250_lines_are_put_together_to_the_same_total(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    lines = [Line(f"{number}.01") for number in range(1, 301)]
    lines.append(Line("0.05", "tax", "VAT", None))
    invoice_id = approved_invoice(warehouse, lines)
    post(warehouse, stripe, sandbox, invoice_id)
    posted = in_stripe(sandbox, "line_item")
    assert len(posted) == 250
    # 248 lines of usage and the tax stand alone; the 52 smallest are one.
    assert posted[-1]["description"] == "52 further lines (2026-09-01 to 2026-09-30)"
    assert posted[-1]["amount"] == sum(100 * number + 1 for number in range(1, 53))
    assert posted[-2]["amount"] == 5
    [invoice] = in_stripe(sandbox, "invoice")
    assert invoice["total"] == sum(100 * number + 1 for number in range(1, 301)) + 5


def test_a_currency_without_decimals_is_posted_in_whole_units(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    invoice_id = approved_invoice(warehouse, [Line("1200")], currency="JPY")
    post(warehouse, stripe, sandbox, invoice_id)
    [invoice] = in_stripe(sandbox, "invoice")
    assert (invoice["currency"], invoice["total"]) == ("jpy", 1200)
    with warehouse.begin() as connection:
        total = connection.execute(
            select(billing.stripe_invoices.c.total).where(
                billing.stripe_invoices.c.invoice_id == invoice_id
            )
        ).scalar_one()
    assert total == 1200


def test_what_is_not_approved_void_or_without_amount_is_not_posted(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    unapproved = approved_invoice(warehouse, LINES, is_approved=False)
    void = approved_invoice(warehouse, LINES)
    record_void(warehouse, void, "test", now(sandbox))
    empty = approved_invoice(warehouse, [])
    expected = {unapproved: "not approved", void: "is void", empty: "nothing to pay",
                "missing": "no finalised invoice"}  # fmt: skip
    for invoice_id, reason in expected.items():
        with pytest.raises(PostingError, match=reason):
            post(warehouse, stripe, sandbox, invoice_id)
    assert not sandbox.service.calls
    pending = {posting.invoice_id for posting in pending_postings(warehouse)}
    assert pending.isdisjoint({unapproved, void})


@pytest.mark.parametrize("crash_after", [None, 1, 2, 3])
def test_an_invoice_is_voided_in_stripe_wherever_its_posting_stopped(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox, crash_after: int | None
) -> None:
    invoice_id = approved_invoice(warehouse, LINES)
    if crash_after is None:
        post(warehouse, stripe, sandbox, invoice_id)
    else:
        with pytest.raises(CrashError):
            post(warehouse, crashing(sandbox, {crash_after}), sandbox, invoice_id)
    assert void_invoice(warehouse, stripe, invoice_id, "test", now(sandbox)) is not None
    left = [invoice["status"] for invoice in in_stripe(sandbox, "invoice")]
    assert left == ([] if crash_after in (1, 2) else ["void"])
    with pytest.raises(PostingError, match="is void"):
        post(warehouse, stripe, sandbox, invoice_id)
    void_invoice(warehouse, stripe, invoice_id, "test", now(sandbox))


def test_an_invoice_never_posted_is_voided_here_alone(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    invoice_id = approved_invoice(warehouse, LINES)
    assert void_invoice(warehouse, stripe, invoice_id, "test", now(sandbox)) is None
    assert not sandbox.service.calls
    with pytest.raises(InvoiceStateError):
        void_invoice(warehouse, stripe, "missing", "test", now(sandbox))


def test_an_invoice_is_voided_by_its_number(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    post(warehouse, stripe, sandbox, approved_invoice(warehouse, LINES))
    assert void_invoice(warehouse, stripe, "INV-000001", "test", now(sandbox)) is not None
    assert [invoice["status"] for invoice in in_stripe(sandbox, "invoice")] == ["void"]


def test_a_paid_invoice_is_not_voided(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    invoice_id = approved_invoice(warehouse, LINES)
    outcome = post(warehouse, stripe, sandbox, invoice_id)
    v1(sandbox).invoices.pay(outcome.stripe_invoice_id, {"paid_out_of_band": True})
    with pytest.raises(PostingError, match="credit note"):
        void_invoice(warehouse, stripe, invoice_id, "test", now(sandbox))


def test_payments_are_brought_back_and_only_news_counts(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    paid, unpaid = (approved_invoice(warehouse, LINES) for _ in range(2))
    posted = [post(warehouse, stripe, sandbox, invoice_id) for invoice_id in (paid, unpaid)]
    v1(sandbox).invoices.pay(posted[0].stripe_invoice_id, {"paid_out_of_band": True})

    report = sync_payments(warehouse, stripe, now(sandbox))
    assert (report.changed, report.by_status) == (1, {"paid": 1, "open": 1})
    with warehouse.begin() as connection:
        row = connection.execute(
            select(billing.stripe_invoices).where(billing.stripe_invoices.c.invoice_id == paid)
        ).one()
    assert (row.status, row.amount_paid, row.amount_remaining) == ("paid", Decimal("80.11"), 0)
    assert sync_payments(warehouse, stripe, now(sandbox)).changed == 0


def test_an_old_unpaid_invoice_is_still_asked_for(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    invoice_id = approved_invoice(warehouse, LINES)
    outcome = post(warehouse, stripe, sandbox, invoice_id)
    sandbox.service.clock.advance(200 * 24 * 3600)
    v1(sandbox).invoices.pay(outcome.stripe_invoice_id, {"paid_out_of_band": True})
    assert sync_payments(warehouse, stripe, now(sandbox)).by_status == {"paid": 1}
    # What is settled is looked for no longer than a week.
    assert sync_payments(warehouse, stripe, now(sandbox)).checked == 0


def test_an_invoice_that_our_outbox_does_not_know_is_reported(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    customer = v1(sandbox).customers.create({"name": "Acme"}).id
    stranger = v1(sandbox).invoices.create(
        {"customer": customer, "metadata": {"invoice_id": "of-another-warehouse"}}
    )
    v1(sandbox).invoices.create({"customer": customer})
    assert sync_payments(warehouse, stripe, now(sandbox)).strangers == (stranger.id,)


@pytest.mark.parametrize("fault", ["drop_before", "stored_500", None])
def test_no_message_holds_the_key(warehouse: Warehouse, sandbox: StripeSandbox, fault: Any) -> None:
    """Stripe's own refusal of a key repeats its end."""
    api_key = "sk_live_51f0e1d2c3b4"
    stripe = account(sandbox, api_key=api_key if fault is None else KEY)
    if fault is not None:
        sandbox.service.faults.add(Fault(fault))
    invoice_id = approved_invoice(warehouse, LINES)
    with pytest.raises((PostingError, StripeUnavailable)) as failure:
        post(warehouse, stripe, sandbox, invoice_id)
    said = f"{failure.value!r} {failure.value.__cause__!r} {outbox_of(warehouse, invoice_id)}"
    for secret in (api_key, KEY):
        assert secret not in said + repr(stripe)
        assert secret[-4:] not in said


def test_keys_are_short_and_plain_for_any_id() -> None:
    assert idempotency_key("acme:2026-09-01", "create", 2) == "acme:2026-09-01:create:2"
    for name in ("x" * 400, "b\u00e4ren"):
        key = idempotency_key(name, "create", 0)
        assert key.isascii()
        assert len(key) <= 255
