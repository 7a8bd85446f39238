"""Posting ends in exactly one right invoice in Stripe, whatever fails and whenever."""

import itertools
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from assets.delivery.outbox import PostingError
from assets.delivery.posting import PostingOutcome, pending_postings
from connectors.stripe_invoices import ATTEMPTS_WHEN_LIMITED, StripeInvoices
from connectors.stripe_records import StripeUnavailable
from connectors.warehouse import Warehouse
from sandbox.stripe.faults import Fault
from sandbox.stripe.server import StripeSandbox
from tests.integration.billing_rows import approved_invoice, new_customer
from tests.integration.posting_bench import (
    DAY_AND_HOUR,
    LINES,
    MINUTE,
    TWELVE_LINES,
    CrashError,
    account,
    assert_posted_once,
    crashing,
    in_stripe,
    outbox_of,
    post,
    post_through,
    running_sandbox,
    v1,
)

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
