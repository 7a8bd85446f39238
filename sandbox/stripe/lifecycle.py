"""What happens to an invoice from its finalisation on."""

from collections.abc import Mapping

from sandbox.stripe import events, limits, objects
from sandbox.stripe.invoices import with_lines
from sandbox.stripe.problems import ApiError, refused
from sandbox.stripe.routes import Body, Desk, page, serves
from sandbox.stripe.taxes import refuse_unlocated

HOUR = 3600
# An automatic payment that failed is tried again after three days, a few times.
RETRY_SECONDS = 3 * 24 * HOUR
HOSTED = "https://invoice.sandbox.invalid"

# What each operation may start from, and the refusal of anything else.
ALLOWED: Mapping[str, tuple[set[str], str]] = {
    "finalize": (
        {"draft"},
        "This invoice is already finalized, you can't re-finalize a non-draft invoice.",
    ),
    "send": ({"draft", "open"}, "You can only send draft or open invoices."),
    "void": ({"open", "uncollectible"}, "You can only void open or uncollectible invoices."),
    "mark_uncollectible": ({"open"}, "You can only mark open invoices as uncollectible."),
    "pay": ({"open", "uncollectible"}, "You can only pay open or uncollectible invoices."),
}


@serves("post", "/v1/invoices/{invoice}/finalize", "auto_advance")
def finalize_invoice(desk: Desk, parameters: Body) -> Body:
    """Number the invoice, fix its amounts and open it; with nothing due it is paid at once."""
    invoice = in_state(desk, "finalize")
    refuse_unlocated(invoice)
    return with_lines(desk, finalised(desk, invoice, parameters))


@serves("post", "/v1/invoices/{invoice}/send")
def send_invoice(desk: Desk, _: Body) -> Body:
    """Mail the invoice to its customer; a draft is finalised first."""
    invoice = in_state(desk, "send")
    if invoice["collection_method"] != "send_invoice":
        raise refused("You can only send invoices whose collection_method is send_invoice.")
    if not invoice["customer_email"]:
        raise refused("The customer must have an email address.", "customer")
    if invoice["status"] == "draft":
        invoice = finalised(desk, invoice, {})
    events.record(desk, "invoice.sent", with_lines(desk, invoice))
    return with_lines(desk, invoice)


@serves("post", "/v1/invoices/{invoice}/void")
def void_invoice(desk: Desk, _: Body) -> Body:
    """Cancel the invoice: it stays, and nothing is due on it."""
    invoice = in_state(desk, "void")
    for payment in desk.store.oldest_first("invoice_payment", invoice["id"]):
        if payment["status"] == "open":
            payment["status"] = "canceled"
            payment["status_transitions"]["canceled_at"] = desk.now
            desk.store.put(payment)
    moved = {"status": "void", "auto_advance": False, "next_payment_attempt": None}
    return changed(desk, invoice | moved, "voided_at", "invoice.voided")


@serves("post", "/v1/invoices/{invoice}/mark_uncollectible")
def mark_uncollectible(desk: Desk, _: Body) -> Body:
    """Give the invoice up, for the books; it may still be paid."""
    invoice = in_state(desk, "mark_uncollectible") | {"status": "uncollectible"}
    return changed(desk, invoice, "marked_uncollectible_at", "invoice.marked_uncollectible")


@serves("post", "/v1/invoices/{invoice}/pay", "paid_out_of_band", "payment_method")
def pay_invoice(desk: Desk, parameters: Body) -> Body:
    """Pay the invoice: outside of Stripe, or with the payment method given."""
    invoice = in_state(desk, "pay")
    is_outside = parameters.get("paid_out_of_band", False)
    if not is_outside and "payment_method" not in parameters:
        raise refused(
            "There is no default_payment_method set on this customer or invoice.",
            "payment_method",
        )
    if is_outside:
        invoice["amount_paid_off_stripe"] = invoice["amount_remaining"]
    return with_lines(desk, paid(desk, invoice))


@serves("get", "/v1/invoice_payments", "invoice", "limit", "starting_after", "status")
def list_invoice_payments(desk: Desk, parameters: Body) -> Body:
    """Return the payments of invoices, newest first."""
    found = (
        payment
        for payment in desk.store.newest_first("invoice_payment", parameters.get("invoice"))
        if payment["status"] == parameters.get("status", payment["status"])
    )
    return page(found, parameters, "/v1/invoice_payments")


def in_state(desk: Desk, operation: str) -> Body:
    """Return the invoice of the path, if the operation may start from its state."""
    invoice = desk.find("invoice", desk.path["invoice"])
    allowed, message = ALLOWED[operation]
    if invoice["status"] not in allowed:
        raise refused(message, code="invoice_not_editable")
    return invoice


def finalised(desk: Desk, invoice: Body, parameters: Body) -> Body:
    """Return the invoice opened: numbered, with the customer's balance applied."""
    customer = desk.find("customer", invoice["customer"])
    balance = invoice["total"] + customer["balance"]
    due = max(balance, 0)
    if invoice["collection_method"] == "charge_automatically":
        # What is too little to charge is owed until the next invoice instead.
        due = 0 if due < limits.MINIMUM_CHARGE.get(invoice["currency"], 0) else due
    if invoice["number"] is None:
        sequence = customer["next_invoice_sequence"]
        invoice["number"] = f"{customer['invoice_prefix']}-{sequence:04d}"
        customer["next_invoice_sequence"] = sequence + 1
    invoice |= {
        "status": "open",
        "amount_due": due,
        "amount_remaining": due,
        "auto_advance": parameters.get("auto_advance", invoice["auto_advance"]),
        "starting_balance": customer["balance"],
        "ending_balance": balance - due,
        "effective_at": invoice["effective_at"] or desk.now,
        "hosted_invoice_url": f"{HOSTED}/{invoice['id']}",
        "invoice_pdf": f"{HOSTED}/{invoice['id']}/pdf",
    }
    invoice["status_transitions"]["finalized_at"] = desk.now
    desk.store.put({**customer, "balance": balance - due})
    if invoice["auto_advance"] and invoice["collection_method"] == "charge_automatically":
        invoice["next_payment_attempt"] = desk.now + HOUR
    desk.store.put(invoice)
    events.record(desk, "invoice.finalized", with_lines(desk, invoice))
    if due == 0:
        return paid(desk, invoice)
    desk.store.add(objects.invoice_payment(invoice, desk.now), desk.now, parent=invoice["id"])
    return invoice


def paid(desk: Desk, invoice: Body) -> Body:
    """Return the invoice with nothing left to pay."""
    for payment in desk.store.oldest_first("invoice_payment", invoice["id"]):
        payment |= {"status": "paid", "amount_paid": payment["amount_requested"]}
        payment["status_transitions"]["paid_at"] = desk.now
        desk.store.put(payment)
    invoice |= {
        "status": "paid",
        "amount_paid": invoice["amount_paid"] + invoice["amount_remaining"],
        "amount_remaining": 0,
        "attempted": True,
        "next_payment_attempt": None,
    }
    return changed(desk, invoice, "paid_at", "invoice.paid")


def simulate_payment(desk: Desk, outcome: str) -> Body:
    """Let the customer pay, or let the automatic payment fail."""
    invoice = in_state(desk, "pay")
    if outcome == "paid":
        invoice["attempt_count"] += 1
        return with_lines(desk, paid(desk, invoice))
    if outcome != "failed":
        raise ApiError(400, "The outcome of a simulated payment is paid or failed")
    is_automatic = invoice["collection_method"] == "charge_automatically"
    invoice |= {
        "attempted": True,
        "attempt_count": invoice["attempt_count"] + 1,
        "next_payment_attempt": desk.now + RETRY_SECONDS if is_automatic else None,
    }
    desk.store.put(invoice)
    events.record(desk, "invoice.payment_failed", with_lines(desk, invoice))
    return with_lines(desk, invoice)


def changed(desk: Desk, invoice: Body, transition: str, event: str) -> Body:
    """Store the invoice with the time of a transition, and its event; return it."""
    invoice["status_transitions"][transition] = desk.now
    desk.store.put(invoice)
    events.record(desk, event, with_lines(desk, invoice))
    return with_lines(desk, invoice)
