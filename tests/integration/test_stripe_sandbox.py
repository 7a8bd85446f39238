"""The Stripe sandbox, driven through Stripe's own package."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from sandbox.stripe import limits
from sandbox.stripe.clock import Clock
from sandbox.stripe.faults import Fault
from sandbox.stripe.server import StripeSandbox
from sandbox.stripe.store import Store

HOUR = 3600


@pytest.fixture
def sandbox() -> Iterator[StripeSandbox]:
    with StripeSandbox() as running:
        running.service.clock.stop_at(1_760_000_000)
        yield running
        assert running.service.violations == []


@pytest.fixture
def v1(sandbox: StripeSandbox) -> Any:
    return client(sandbox.url)


def client(url: str, retries: int = 0) -> Any:
    # Without retries every fault reaches the test.
    return stripe.StripeClient(
        "sk_test_x", base_addresses={"api": url}, max_network_retries=retries
    ).v1


def new_draft(v1: Any, **parameters: Any) -> Any:
    customer = parameters.pop("customer", None) or v1.customers.create({"name": "Acme"}).id
    return v1.invoices.create({"customer": customer, "currency": "usd", **parameters})


def lines(*amounts: int) -> dict[str, Any]:
    return {"lines": [{"amount": amount, "description": f"{amount}"} for amount in amounts]}


def new_open_invoice(v1: Any, *amounts: int, **parameters: Any) -> Any:
    draft = new_draft(v1, **parameters)
    v1.invoices.add_lines(draft.id, lines(*amounts))
    return v1.invoices.finalize_invoice(draft.id)


def test_a_customer_is_created_changed_and_found(v1: Any) -> None:
    made = v1.customers.create(
        {
            "name": "Acme",
            "email": "bills@acme.test",
            "address": {"country": "DE"},
            "tax_exempt": "reverse",
            "tax_id_data": [{"type": "eu_vat", "value": "DE123456789"}],
            "metadata": {"customer_id": "acme", "old": "x"},
        }
    )
    v1.customers.update(made.id, {"name": "Acme GmbH", "metadata": {"old": "", "new": "y"}})
    found = v1.customers.retrieve(made.id)
    assert (found.name, found.email, found.address.country) == (
        "Acme GmbH", "bills@acme.test", "DE"
    )  # fmt: skip
    assert found.metadata.to_dict() == {"customer_id": "acme", "new": "y"}
    assert [item.id for item in v1.customers.list({"email": "bills@acme.test"}).data] == [made.id]
    assert [item.value for item in v1.customers.tax_ids.list(made.id).data] == ["DE123456789"]
    invoice = new_draft(v1, customer=made.id)
    assert (invoice.customer_tax_exempt, invoice.customer_tax_ids[0].value) == (
        "reverse", "DE123456789"
    )  # fmt: skip


def test_an_invoice_goes_from_draft_to_open_to_paid(v1: Any, sandbox: StripeSandbox) -> None:
    draft = new_draft(v1, collection_method="send_invoice", days_until_due=30)
    assert (draft.status, draft.number, draft.total) == ("draft", None, 0)

    filled = v1.invoices.add_lines(draft.id, lines(1000, 250, -50))
    assert (filled.total, filled.amount_due, filled.status) == (1200, 1200, "draft")

    opened = v1.invoices.finalize_invoice(draft.id, {"auto_advance": True})
    assert (opened.status, opened.number[-5:], opened.auto_advance) == ("open", "-0001", True)
    assert opened.due_date == 1_760_000_000 + 30 * 24 * HOUR
    assert v1.invoice_payments.list({"invoice": draft.id}).data[0].status == "open"

    control(sandbox.url, "POST", f"/_sandbox/pay/{draft.id}", {"outcome": "failed"})
    control(sandbox.url, "POST", f"/_sandbox/pay/{draft.id}", {"outcome": "paid"})
    paid = v1.invoices.retrieve(draft.id, {"expand": ["payments"]})
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 1200, 0)
    assert (paid.attempt_count, paid.payments.data[0].status) == (2, "paid")

    happened = [event.type for event in v1.events.list({"limit": 100}).data]
    assert happened[:4] == [
        "invoice.paid",
        "invoice.payment_failed",
        "invoice.finalized",
        "invoice.updated",
    ]
    assert [event.type for event in v1.events.list({"types": ["invoice.paid"]}).data] == [
        "invoice.paid"
    ]


@pytest.mark.parametrize(
    ("verb", "status"),
    [("void_invoice", "void"), ("mark_uncollectible", "uncollectible")],
)
def test_an_open_invoice_can_be_given_up(v1: Any, verb: str, status: str) -> None:
    opened = new_open_invoice(v1, 500)
    assert getattr(v1.invoices, verb)(opened.id).status == status


def test_what_the_state_of_an_invoice_forbids_is_refused(v1: Any) -> None:
    draft, opened = new_draft(v1), new_open_invoice(v1, 500)
    refused = [
        lambda: v1.invoices.void_invoice(draft.id),
        lambda: v1.invoices.pay(draft.id, {"paid_out_of_band": True}),
        lambda: v1.invoices.add_lines(opened.id, lines(1)),
        lambda: v1.invoices.finalize_invoice(opened.id),
        lambda: v1.invoices.delete(opened.id),
        lambda: v1.invoices.update(opened.id, {"description": "other"}),
    ]
    for call in refused:
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            call()
        assert refusal.value.http_status == 400
    assert v1.invoices.update(opened.id, {"metadata": {"a": "b"}}).metadata["a"] == "b"


def test_a_deleted_draft_is_gone(v1: Any) -> None:
    draft = new_draft(v1)
    assert v1.invoices.delete(draft.id).deleted is True
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        v1.invoices.retrieve(draft.id)
    assert (refusal.value.http_status, refusal.value.code) == (404, "resource_missing")


def test_an_invoice_with_nothing_due_is_paid_when_finalised(v1: Any) -> None:
    opened = new_open_invoice(v1, 500, -500)
    assert (opened.status, opened.amount_due, opened.amount_paid) == ("paid", 0, 0)


def test_too_little_to_charge_is_owed_until_the_next_invoice(v1: Any) -> None:
    customer = v1.customers.create({"name": "Acme"}).id
    small = new_open_invoice(v1, 30, customer=customer)
    assert (small.status, small.total, small.amount_paid) == ("paid", 30, 0)
    following = new_open_invoice(v1, 100, customer=customer)
    assert (following.total, following.starting_balance, following.amount_due) == (100, 30, 130)


def test_a_line_of_unit_price_and_quantity_is_rounded_by_stripe(v1: Any) -> None:
    price = {"currency": "usd", "product": "prod_1", "unit_amount_decimal": "0.5"}
    draft = new_draft(v1)
    filled = v1.invoices.add_lines(
        draft.id, {"lines": [{"price_data": price, "quantity_decimal": "3"}]}
    )
    assert filled.total == 2


def test_taxes_come_from_rates_or_as_amounts(v1: Any) -> None:
    rate = v1.tax_rates.create({"display_name": "VAT", "percentage": 19, "inclusive": False})
    data = {"display_name": "City", "percentage": 1, "inclusive": False}
    given = {"amount": 7, "taxable_amount": 100, "tax_rate_data": data}
    draft = new_draft(v1)
    filled = v1.invoices.add_lines(
        draft.id,
        {
            "lines": [
                {"amount": 250, "tax_rates": [rate.id]},
                {"amount": 100, "tax_amounts": [given]},
            ]
        },
    )
    # 250 x 19 % = 47.5, rounded half up.
    assert (filled.subtotal, filled.total) == (350, 350 + 48 + 7)
    assert [tax.amount for tax in filled.total_taxes] == [48, 7]


def test_an_invoice_shows_ten_lines_and_lists_them_all(v1: Any) -> None:
    draft = new_draft(v1)
    filled = v1.invoices.add_lines(draft.id, lines(*range(1, 26)))
    assert (len(filled.lines.data), filled.lines.has_more) == (limits.LINES_EMBEDDED, True)
    listed = v1.invoices.line_items.list(draft.id, {"limit": 10}).auto_paging_iter()
    assert [line.amount for line in listed] == list(range(1, 26))


def test_an_invoice_has_at_most_250_lines(v1: Any) -> None:
    draft = new_draft(v1)
    v1.invoices.add_lines(draft.id, lines(*[1] * 249))
    with pytest.raises(stripe.InvalidRequestError, match="up to 250"):
        v1.invoices.add_lines(draft.id, lines(1, 1))
    assert v1.invoices.add_lines(draft.id, lines(1)).total == 250


def test_removed_lines_are_taken_off_the_total(v1: Any) -> None:
    draft = new_draft(v1)
    filled = v1.invoices.add_lines(draft.id, lines(5, 7))
    removed = v1.invoices.remove_lines(
        draft.id, {"lines": [{"id": filled.lines.data[0].id, "behavior": "delete"}]}
    )
    assert (removed.total, [line.amount for line in removed.lines.data]) == (7, [7])


def test_lists_are_newest_first_filtered_and_paged(v1: Any, sandbox: StripeSandbox) -> None:
    customer = v1.customers.create({"name": "Acme"}).id
    made = []
    for _ in range(5):
        made.append(new_draft(v1, customer=customer).id)
        sandbox.service.clock.advance(10)
    new_draft(v1)

    def found(**parameters: Any) -> list[str]:
        return [invoice.id for invoice in v1.invoices.list(parameters).data]

    assert found(customer=customer) == made[::-1]
    assert found(customer=customer, limit=2, starting_after=made[3]) == [made[2], made[1]]
    assert found(customer=customer, created={"gte": 1_760_000_020}) == made[:1:-1]
    assert found(customer=customer, created={"gt": 1_760_000_020, "lt": 1_760_000_040}) == [made[3]]
    assert found(customer=customer, status="open") == []
    assert v1.invoices.list({"customer": customer, "limit": 5}).has_more is False
    assert v1.invoices.list({"customer": customer, "limit": 4}).has_more is True
    with pytest.raises(stripe.InvalidRequestError):
        v1.invoices.list({"limit": 101})


def test_a_credit_note_reduces_what_is_open(v1: Any) -> None:
    opened = new_open_invoice(v1, 1000)
    note = v1.credit_notes.create(
        {"invoice": opened.id, "amount": 300, "metadata": {"a": "b"}, "reason": "order_change"}
    )
    assert (note.type, note.pre_payment_amount) == ("pre_payment", 300)
    after = v1.invoices.retrieve(opened.id)
    assert (after.total, after.amount_remaining) == (1000, 700)
    with pytest.raises(stripe.InvalidRequestError):
        v1.credit_notes.create({"invoice": opened.id, "amount": 701})
    assert [item.id for item in v1.credit_notes.list({"invoice": opened.id}).data] == [note.id]
    assert v1.credit_notes.retrieve(note.id).number == f"{opened.number}-CN-01"


def test_a_credit_note_on_a_paid_invoice_goes_where_it_says(v1: Any) -> None:
    opened = new_open_invoice(v1, 1000)
    v1.invoices.pay(opened.id, {"paid_out_of_band": True})
    with pytest.raises(stripe.InvalidRequestError, match="already paid"):
        v1.credit_notes.create({"invoice": opened.id, "amount": 300})
    v1.credit_notes.create({"invoice": opened.id, "amount": 300, "credit_amount": 300})
    assert v1.customers.retrieve(opened.customer).balance == -300


def test_the_same_key_gives_the_same_answer_and_one_object(v1: Any) -> None:
    customer = v1.customers.create({"name": "Acme"}).id
    first = v1.invoices.create({"customer": customer}, {"idempotency_key": "k"})
    again = v1.invoices.create({"customer": customer}, {"idempotency_key": "k"})
    assert first.id == again.id
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert len(v1.invoices.list().data) == 1


def test_the_same_key_with_other_parameters_is_refused(v1: Any) -> None:
    v1.customers.create({"name": "Acme"}, {"idempotency_key": "k"})
    with pytest.raises(stripe.IdempotencyError):
        v1.customers.create({"name": "Other"}, {"idempotency_key": "k"})


def test_a_key_is_forgotten_after_a_day(v1: Any, sandbox: StripeSandbox) -> None:
    first = v1.customers.create({"name": "Acme"}, {"idempotency_key": "k"})
    sandbox.service.clock.advance(24 * HOUR - 1)
    assert v1.customers.create({"name": "Acme"}, {"idempotency_key": "k"}).id == first.id
    sandbox.service.clock.advance(1)
    assert v1.customers.create({"name": "Acme"}, {"idempotency_key": "k"}).id != first.id


def test_a_stored_500_is_repeated_and_made_nothing(v1: Any, sandbox: StripeSandbox) -> None:
    sandbox.service.faults.add(Fault("stored_500"))
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            v1.customers.create({"name": "Acme"}, {"idempotency_key": "k"})
    assert v1.customers.list().data == []
    assert v1.customers.create({"name": "Acme"}, {"idempotency_key": "k2"}).name == "Acme"


def test_wrong_parameters_do_not_use_up_a_key(v1: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        v1.customers.create({"nmae": "Acme"}, {"idempotency_key": "k"})
    assert v1.customers.create({"name": "Acme"}, {"idempotency_key": "k"}).name == "Acme"


def test_a_key_in_use_is_refused_meanwhile(v1: Any, sandbox: StripeSandbox) -> None:
    sandbox.service.faults.add(Fault("delay", seconds=0.5))
    made: list[str] = []

    def create() -> None:
        made.append(v1.customers.create({"name": "Acme"}, {"idempotency_key": "k"}).id)

    slow = threading.Thread(target=create)
    slow.start()
    while sandbox.service.faults.pending():
        time.sleep(0.01)
    with pytest.raises(stripe.StripeError) as refusal:
        v1.customers.create({"name": "Acme"}, {"idempotency_key": "k"})
    slow.join()
    assert refusal.value.http_status == 409
    assert refusal.value.json_body["error"]["code"] == "idempotency_key_in_use"
    assert [customer.id for customer in v1.customers.list().data] == made


@pytest.mark.parametrize(("kind", "made"), [("drop_before", 0), ("drop_after", 1)])
def test_a_dropped_connection_may_or_may_not_have_made_something(
    v1: Any, sandbox: StripeSandbox, kind: Any, made: int
) -> None:
    sandbox.service.faults.add(Fault(kind, path="/v1/customers"))
    with pytest.raises(stripe.APIConnectionError):
        v1.customers.create({"name": "Acme"})
    assert len(v1.customers.list().data) == made


def test_the_packages_own_retry_survives_a_dropped_answer(sandbox: StripeSandbox) -> None:
    sandbox.service.faults.add(Fault("drop_after"))
    v1 = client(sandbox.url, retries=1)
    v1.customers.create({"name": "Acme"})
    assert len(v1.customers.list().data) == 1


def test_a_fault_strikes_where_and_as_often_as_planned(v1: Any, sandbox: StripeSandbox) -> None:
    fault = {"kind": "status_429", "path": "/v1/customers", "skip": 1, "times": 2}
    control(sandbox.url, "POST", "/_sandbox/faults", {**fault, "retry_after": "7"})
    new_draft(v1)
    for _ in range(2):
        with pytest.raises(stripe.RateLimitError) as refusal:
            v1.customers.create({"name": "Acme"})
        assert refusal.value.headers["Retry-After"] == "7"
    assert v1.customers.create({"name": "Acme"}).name == "Acme"


def test_rate_limits_can_be_switched_on(v1: Any, sandbox: StripeSandbox) -> None:
    control(sandbox.url, "POST", "/_sandbox/rate_limits", {"is_on": True})
    with pytest.raises(stripe.RateLimitError):
        list_often(v1, 60)
    control(sandbox.url, "POST", "/_sandbox/rate_limits", {"is_on": False})
    assert v1.customers.list().data == []


def list_often(v1: Any, times: int) -> None:
    for _ in range(times):
        v1.customers.list()


def test_a_key_that_is_not_a_test_key_is_refused(sandbox: StripeSandbox) -> None:
    live = stripe.StripeClient("sk_live_x", base_addresses={"api": sandbox.url}).v1
    with pytest.raises(stripe.AuthenticationError):
        live.customers.list()


def test_a_parameter_that_stripe_knows_and_the_sandbox_does_not_is_refused(v1: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="does not implement"):
        v1.customers.create({"name": "Acme", "invoice_prefix": "ACME"})
    with pytest.raises(stripe.StripeError, match="does not serve"):
        v1.invoices.create_preview({"customer": "cus_1"})


def test_an_answer_unlike_stripes_is_an_error_and_is_recorded() -> None:
    with StripeSandbox() as sandbox:
        v1 = client(sandbox.url)
        customer = v1.customers.create({"name": "Acme"})
        damaged = sandbox.service.store.get("customer", customer.id)
        assert damaged is not None
        sandbox.service.store.put({**damaged, "name": 5})
        with pytest.raises(stripe.APIError, match="unlike Stripe's"):
            v1.customers.retrieve(customer.id)
        assert len(sandbox.service.violations) == 1


def test_a_transaction_inside_another_is_undone_alone() -> None:
    store = Store()
    clock = Clock(store)
    with store.transaction():
        clock.stop_at(1)
        with pytest.raises(ZeroDivisionError):
            stop_and_fail(store, clock)
    assert clock.now() == 1


def stop_and_fail(store: Store, clock: Clock) -> None:
    with store.transaction():
        clock.stop_at(2)
        raise ZeroDivisionError


def test_a_killed_sandbox_comes_back_with_all_it_answered(tmp_path: Path) -> None:
    state, port = tmp_path / "stripe.sqlite", free_port()
    url = f"http://127.0.0.1:{port}"
    with sandbox_process(state, port):
        v1 = client(url)
        opened = new_open_invoice(v1, 100, 200)
        keyed = v1.customers.create({"name": "Acme"}, {"idempotency_key": "k"})
        now = control(url, "POST", "/_sandbox/clock", {"advance": HOUR})["now"]
    with sandbox_process(state, port):
        v1 = client(url)
        assert (v1.invoices.retrieve(opened.id).total, opened.status) == (300, "open")
        assert v1.customers.create({"name": "Acme"}, {"idempotency_key": "k"}).id == keyed.id
        found = control(url, "GET", "/_sandbox/state")
        assert found["now"] >= now
        assert (found["objects"]["invoice"], found["objects"]["customer"]) == (1, 2)


class sandbox_process:  # noqa: N801 - used as a context
    """The sandbox in a process of its own, killed without warning at the end."""

    def __init__(self, state: Path, port: int) -> None:
        command = [sys.executable, "-m", "sandbox.stripe.server"]
        self.process = subprocess.Popen(
            [*command, "--port", str(port), "--state", str(state)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )

    def __enter__(self) -> None:
        assert self.process.stdout is not None
        assert b"http://127.0.0.1" in self.process.stdout.readline()

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def control(url: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    answer = httpx.request(method, url + path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()
