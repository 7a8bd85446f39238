"""Which drafts are to be on a document together, and what holds them."""

from datetime import date
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from assets.invoicing.approval import DocumentState, InvoiceStateError, refuse_spent_credit
from assets.invoicing.closing import Held, documents, held_together
from models.invoice import invoice_number

END = date(2026, 9, 1)


def draft(invoice_id: str, **values: Any) -> Any:
    said = {
        "invoice_id": invoice_id,
        "kind": "period",
        "customer_id": "acme",
        "currency": "EUR",
        "period_end": END,
        "has_consolidated_invoices": True,
    }
    return SimpleNamespace(**said | values)


def grouped(*drafts: Any) -> list[list[str]]:
    return [[one.invoice_id for one in document] for document in documents(drafts)]


def test_periods_of_a_payer_that_end_on_a_day_are_one_document() -> None:
    apart = {"has_consolidated_invoices": False}
    assert grouped(
        draft("a"),
        draft("not-asked-for-1", **apart),
        draft("b"),
        draft("of-another", customer_id="lab"),
        draft("in-dollars", currency="USD"),
        draft("not-asked-for-2", **apart),
        draft("c"),
        draft("manual", kind="manual"),
        draft("top-up", kind="top_up"),
        draft("interim", period_end=date(2026, 9, 2)),
        draft("no-row-of-the-catalog", has_consolidated_invoices=None),
    ) == [
        ["a", "b", "c"],
        ["not-asked-for-1"],
        ["of-another"],
        ["in-dollars"],
        ["not-asked-for-2"],
        ["manual"],
        ["top-up"],
        ["interim"],
        ["no-row-of-the-catalog"],
    ]


def test_one_that_is_held_holds_all() -> None:
    reasons = {"a": None, "b": "its grace", "c": None, "d": "its source"}
    assert held_together(reasons) == [
        Held("a", "it is to be on a document with b: its grace"),
        Held("b", "its grace"),
        Held("c", "it is to be on a document with b: its grace"),
        Held("d", "its source"),
    ]


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        (
            ["INV-1", "INV-1-2"],
            "of INV-1-2, which is on the same document INV-1, is spent by INV-5:",
        ),
        (["INV-1-2"], "of INV-1-2 is spent by INV-5:"),
    ],
)
def test_a_document_with_credit_spent_is_not_voided(numbers: list[str], reason: str) -> None:
    spenders = {"INV-1": [], "INV-1-2": ["INV-5"]}
    found = {"scalars.return_value.all.side_effect": [spenders[number] for number in numbers]}
    connection = Mock(**{f"execute.return_value.{name}": said for name, said in found.items()})
    state = DocumentState(numbers[0], {number: number for number in numbers}, frozenset())
    with pytest.raises(InvoiceStateError, match=f"the credit {reason} void"):
        refuse_spent_credit(connection, state)


def test_the_first_invoice_has_the_number_of_the_document() -> None:
    assert [invoice_number(7, position) for position in (1, 2, 10)] == [
        "INV-000007",
        "INV-000007-2",
        "INV-000007-10",
    ]
