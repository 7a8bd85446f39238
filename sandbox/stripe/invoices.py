"""Invoices while they are drafts: making, changing, finding them, and their lines."""

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

from sandbox.stripe import events, limits, objects
from sandbox.stripe.problems import invalid, refused
from sandbox.stripe.routes import (
    Body,
    Desk,
    is_created_within,
    list_object,
    merged_metadata,
    page,
    serves,
)
from sandbox.stripe.taxes import (
    automatic_taxes,
    is_automatic,
    line_taxes,
    locate,
    refuse_untaxable,
    summed,
)

TEXTS = ("description", "footer", "number", "statement_descriptor")
OTHERS = (
    "auto_advance", "automatic_tax", "collection_method", "custom_fields", "days_until_due",
    "due_date", "effective_at", "metadata", "payment_settings",
)  # fmt: skip
AFTER_FINALISATION = {"auto_advance", "metadata"}
DAY = 24 * 3600


@serves(
    "post", "/v1/invoices",
    *TEXTS, *OTHERS, "currency", "customer", "pending_invoice_items_behavior",
)  # fmt: skip
def create_invoice(desk: Desk, parameters: Body) -> Body:
    """Store a draft."""
    if "customer" not in parameters:
        raise invalid("You must provide a customer.", "customer")
    customer = desk.find("customer", parameters["customer"], "customer")
    tax_ids = list(desk.store.oldest_first("tax_id", customer["id"]))
    invoice = objects.invoice(parameters, customer, tax_ids, desk.now)
    if invoice["collection_method"] == "send_invoice" and not (
        {"days_until_due", "due_date"} & set(parameters)
    ):
        raise invalid(
            "If collection_method is send_invoice, you must specify days_until_due or due_date.",
            "days_until_due",
        )
    edit(desk, invoice, parameters)
    locate(desk, invoice, parameters)
    desk.store.add(invoice, desk.now, parent=customer["id"])
    if customer["currency"] is None:
        desk.store.put({**customer, "currency": invoice["currency"]})
    events.record(desk, "invoice.created", with_lines(desk, invoice))
    return with_lines(desk, invoice)


@serves(
    "get", "/v1/invoices",
    "collection_method", "created", "customer", "limit", "starting_after", "status",
)  # fmt: skip
def list_invoices(desk: Desk, parameters: Body) -> Body:
    """Return invoices, newest first; consistent with every write before it."""
    found = (
        invoice
        for invoice in desk.store.newest_first("invoice", parameters.get("customer"))
        if is_created_within(invoice, parameters.get("created"))
        and all(
            invoice[name] == parameters.get(name, invoice[name])
            for name in ("collection_method", "status")
        )
    )
    answer = page(found, parameters, "/v1/invoices")
    answer["data"] = [with_lines(desk, invoice) for invoice in answer["data"]]
    return answer


@serves("get", "/v1/invoices/{invoice}")
def retrieve_invoice(desk: Desk, _: Body) -> Body:
    """Return one invoice."""
    return with_lines(desk, desk.find("invoice", desk.path["invoice"]))


@serves("post", "/v1/invoices/{invoice}", *TEXTS, *OTHERS)
def update_invoice(desk: Desk, parameters: Body) -> Body:
    """Change a draft; of a finalised invoice only what does not touch the bill."""
    invoice = desk.find("invoice", desk.path["invoice"])
    if invoice["status"] != "draft" and set(parameters) - AFTER_FINALISATION:
        raise refused(
            "Finalized invoices can't be updated in this way", code="invoice_not_editable"
        )
    edit(desk, invoice, parameters)
    if "automatic_tax" in parameters:
        locate(desk, invoice, parameters)
        return changed_lines(desk, invoice, {})
    desk.store.put(invoice)
    events.record(desk, "invoice.updated", with_lines(desk, invoice))
    return with_lines(desk, invoice)


@serves("delete", "/v1/invoices/{invoice}")
def delete_invoice(desk: Desk, _: Body) -> Body:
    """Forget a draft and its lines."""
    invoice = draft(desk)
    events.record(desk, "invoice.deleted", with_lines(desk, invoice))
    for line in list(lines_of(desk, invoice)):
        desk.store.remove(line["id"])
    desk.store.remove(invoice["id"])
    return {"id": invoice["id"], "object": "invoice", "deleted": True}


@serves("post", "/v1/invoices/{invoice}/add_lines", "invoice_metadata", "lines")
def add_lines(desk: Desk, parameters: Body) -> Body:
    """Add lines to a draft, all or none."""
    invoice = draft(desk)
    present = sum(1 for _ in lines_of(desk, invoice))
    if present + len(parameters["lines"]) > limits.LINES_PER_INVOICE:
        raise refused(
            f"You can only add up to {limits.LINES_PER_INVOICE} items per invoice.", "lines"
        )
    for given in parameters["lines"]:
        amount = line_amount(given, invoice)
        if is_automatic(invoice):
            refuse_untaxable(given, amount)
        # The taxes of an automatic invoice are found for all of its lines at once.
        taxes = [] if is_automatic(invoice) else line_taxes(desk, given, amount)
        line = objects.line_item(given, invoice, amount, taxes, desk.now)
        desk.store.add(line, desk.now, parent=invoice["id"])
    return changed_lines(desk, invoice, parameters)


@serves("post", "/v1/invoices/{invoice}/remove_lines", "invoice_metadata", "lines")
def remove_lines(desk: Desk, parameters: Body) -> Body:
    """Delete lines of a draft."""
    invoice = draft(desk)
    present = {line["id"] for line in lines_of(desk, invoice)}
    for given in parameters["lines"]:
        if given["id"] not in present:
            raise refused(f"No such line item: '{given['id']}'", "lines", "resource_missing")
        desk.store.remove(given["id"])
    return changed_lines(desk, invoice, parameters)


@serves("get", "/v1/invoices/{invoice}/lines", "limit", "starting_after")
def list_lines(desk: Desk, parameters: Body) -> Body:
    """Return the lines of an invoice in the order of their adding."""
    invoice = desk.find("invoice", desk.path["invoice"])
    return page(lines_of(desk, invoice), parameters, f"/v1/invoices/{invoice['id']}/lines")


def draft(desk: Desk) -> Body:
    """Return the invoice of the path, which must be a draft."""
    invoice = desk.find("invoice", desk.path["invoice"])
    if invoice["status"] != "draft":
        raise refused(
            "This invoice is no longer a draft and can't be changed.", code="invoice_not_editable"
        )
    return invoice


def edit(desk: Desk, invoice: Body, parameters: Body) -> None:
    """Put the given parameters into an invoice."""
    for name in (*TEXTS, "auto_advance", "collection_method", "custom_fields", "effective_at"):
        if name in parameters:
            invoice[name] = None if parameters[name] == "" else parameters[name]
    is_sent = invoice["collection_method"] == "send_invoice"
    if not is_sent and {"days_until_due", "due_date"} & set(parameters):
        raise invalid("days_until_due and due_date need collection_method send_invoice")
    if "due_date" in parameters:
        invoice["due_date"] = parameters["due_date"]
    if "days_until_due" in parameters:
        invoice["due_date"] = desk.now + parameters["days_until_due"] * DAY
    kinds = parameters.get("payment_settings", {}).get("payment_method_types")
    if kinds is not None:
        invoice["payment_settings"]["payment_method_types"] = kinds or None
    if invoice["status"] != "draft" or "metadata" in parameters:
        invoice["metadata"] = merged_metadata(invoice["metadata"], parameters.get("metadata"))


def line_amount(given: Body, invoice: Body) -> int:
    """Return the amount of a line: given, or unit amount times quantity, rounded half up."""
    if ("amount" in given) == ("price_data" in given):
        raise refused("Each line needs exactly one of amount and price_data.", "lines")
    if "amount" in given:
        return int(given["amount"])
    price = given["price_data"]
    if price["currency"].lower() != invoice["currency"]:
        raise refused("The currency of a line must be that of its invoice.", "lines")
    unit_amount = Decimal(str(price.get("unit_amount", price.get("unit_amount_decimal", 0))))
    quantity = Decimal(str(given.get("quantity_decimal", given.get("quantity", 1))))
    return int((unit_amount * quantity).quantize(Decimal(1), ROUND_HALF_UP))


def lines_of(desk: Desk, invoice: Body) -> Iterator[Body]:
    """Yield the lines of an invoice in the order of their adding."""
    return desk.store.oldest_first("line_item", invoice["id"])


def changed_lines(desk: Desk, invoice: Body, parameters: Body) -> Body:
    """Return the invoice after its lines changed, with its totals of now."""
    invoice["metadata"] = merged_metadata(invoice["metadata"], parameters.get("invoice_metadata"))
    lines = list(lines_of(desk, invoice))
    if is_automatic(invoice) and invoice["status"] == "draft":
        for line in lines:
            line["taxes"] = automatic_taxes(desk, invoice, line["amount"])
            desk.store.put(line)
    taxes = summed([tax for line in lines for tax in line["taxes"]])
    added = sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "exclusive")
    subtotal = sum(line["amount"] for line in lines)
    due = max(subtotal + added, 0)
    invoice |= {
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "total": subtotal + added,
        "total_excluding_tax": subtotal,
        "total_taxes": taxes,
        "amount_due": due,
        "amount_remaining": due,
    }
    desk.store.put(invoice)
    events.record(desk, "invoice.updated", with_lines(desk, invoice))
    return with_lines(desk, invoice)


def with_lines(desk: Desk, invoice: Body) -> Body:
    """Return the invoice with its first lines inside, as every answer shows it."""
    first = [
        line
        for line, _ in zip(lines_of(desk, invoice), range(limits.LINES_EMBEDDED + 1), strict=False)
    ]
    url = f"/v1/invoices/{invoice['id']}/lines"
    has_more = len(first) > limits.LINES_EMBEDDED
    lines = list_object(first[: limits.LINES_EMBEDDED], url=url, has_more=has_more)
    return {**invoice, "lines": lines}
