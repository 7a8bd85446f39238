"""Credit notes: what is taken off a finalised invoice."""

from sandbox.stripe import events
from sandbox.stripe.invoices import with_lines
from sandbox.stripe.lifecycle import HOSTED, paid
from sandbox.stripe.problems import invalid, refused
from sandbox.stripe.routes import (
    Body,
    Desk,
    is_created_within,
    list_object,
    new_id,
    page,
    serves,
)

ALLOCATIONS = ("credit_amount", "out_of_band_amount", "refund_amount")


@serves(
    "post", "/v1/credit_notes",
    "amount", "credit_amount", "invoice", "lines", "memo", "metadata", "out_of_band_amount",
    "reason", "refund_amount",
)  # fmt: skip
def create_credit_note(desk: Desk, parameters: Body) -> Body:
    """Reduce what is open on an invoice first; the rest goes where the request says."""
    invoice = desk.find("invoice", parameters["invoice"], "invoice")
    if invoice["status"] not in ("open", "paid"):
        raise refused("Credit notes can only be made for open or paid invoices.", "invoice")
    lines = [credit_line(line) for line in parameters.get("lines", [])]
    amount = parameters.get("amount", sum(line["amount"] for line in lines))
    if lines and amount != sum(line["amount"] for line in lines):
        raise invalid("The amount must be the sum of the lines.", "amount")
    before, after = split(invoice, amount, parameters)
    note = credit_note(desk, invoice, parameters, lines) | {
        "amount": amount,
        "pre_payment_amount": before,
        "post_payment_amount": after,
        "subtotal": amount,
        "subtotal_excluding_tax": amount,
        "total": amount,
        "total_excluding_tax": amount,
        "type": "mixed" if before and after else "post_payment" if after else "pre_payment",
    }
    desk.store.add(note, desk.now, parent=invoice["id"])
    apply(desk, invoice, note)
    events.record(desk, "credit_note.created", note)
    return note


@serves("get", "/v1/credit_notes", "created", "customer", "invoice", "limit", "starting_after")
def list_credit_notes(desk: Desk, parameters: Body) -> Body:
    """Return credit notes, newest first."""
    found = (
        note
        for note in desk.store.newest_first("credit_note", parameters.get("invoice"))
        if is_created_within(note, parameters.get("created"))
        and note["customer"] == parameters.get("customer", note["customer"])
    )
    return page(found, parameters, "/v1/credit_notes")


@serves("get", "/v1/credit_notes/{id}")
def retrieve_credit_note(desk: Desk, _: Body) -> Body:
    """Return one credit note."""
    return desk.find("credit_note", desk.path["id"])


def split(invoice: Body, amount: int, parameters: Body) -> tuple[int, int]:
    """Return how much reduces the open amount, and how much was already paid."""
    credited = (
        invoice["pre_payment_credit_notes_amount"] + invoice["post_payment_credit_notes_amount"]
    )
    if amount <= 0 or credited + amount > invoice["total"]:
        raise refused("The credit notes of an invoice may not exceed its total.", "amount")
    before = min(amount, invoice["amount_remaining"])
    after = amount - before
    if sum(parameters.get(name, 0) for name in ALLOCATIONS) != after:
        raise refused(
            f"The sum of {', '.join(ALLOCATIONS)} must be the amount already paid ({after}).",
            "amount",
        )
    return before, after


def apply(desk: Desk, invoice: Body, note: Body) -> None:
    """Put the effect of a credit note on its invoice and on the customer's balance."""
    invoice["pre_payment_credit_notes_amount"] += note["pre_payment_amount"]
    invoice["post_payment_credit_notes_amount"] += note["post_payment_amount"]
    invoice["amount_due"] -= note["pre_payment_amount"]
    invoice["amount_remaining"] -= note["pre_payment_amount"]
    desk.store.put(invoice)
    for payment in desk.store.oldest_first("invoice_payment", invoice["id"]):
        if payment["status"] == "open":
            desk.store.put({**payment, "amount_requested": invoice["amount_remaining"]})
    to_balance = note["post_payment_amount"] - (note["out_of_band_amount"] or 0)
    if to_balance:
        customer = desk.find("customer", invoice["customer"])
        desk.store.put({**customer, "balance": customer["balance"] - to_balance})
    if invoice["status"] == "open" and invoice["amount_remaining"] == 0:
        paid(desk, invoice)
    else:
        events.record(desk, "invoice.updated", with_lines(desk, invoice))


def credit_line(given: Body) -> Body:
    """Return one line of a credit note."""
    amount = given.get("amount")
    if amount is None:
        amount = given.get("unit_amount", 0) * given.get("quantity", 1)
    return {
        "id": new_id("cnli"),
        "object": "credit_note_line_item",
        "amount": amount,
        "description": given.get("description"),
        "discount_amount": 0,
        "discount_amounts": [],
        "invoice_line_item": given.get("invoice_line_item"),
        "livemode": False,
        "metadata": given.get("metadata") or {},
        "pretax_credit_amounts": [],
        "quantity": given.get("quantity"),
        "tax_rates": [],
        "taxes": [],
        "type": given["type"],
        "unit_amount": given.get("unit_amount"),
        "unit_amount_decimal": None,
    }


def credit_note(desk: Desk, invoice: Body, parameters: Body, lines: list[Body]) -> Body:
    """Return a new credit note without its amounts."""
    identifier = new_id("cn")
    url = f"/v1/credit_notes/{identifier}/lines"
    number = sum(1 for _ in desk.store.newest_first("credit_note", invoice["id"])) + 1
    return {
        "id": identifier,
        "object": "credit_note",
        "amount_shipping": 0,
        "created": desk.now,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_account": None,
        "customer_balance_transaction": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": desk.now,
        "invoice": invoice["id"],
        "lines": list_object(lines, url=url, has_more=False),
        "livemode": False,
        "memo": parameters.get("memo"),
        "metadata": parameters.get("metadata") or {},
        "number": f"{invoice['number']}-CN-{number:02d}",
        "out_of_band_amount": parameters.get("out_of_band_amount"),
        "pdf": f"{HOSTED}/{identifier}/pdf",
        "pretax_credit_amounts": [],
        "reason": parameters.get("reason"),
        "refunds": [],
        "shipping_cost": None,
        "status": "issued",
        "total_taxes": [],
        "voided_at": None,
    }
