"""Tax rates, the tax they put on a line, and a Stripe Tax with a rate for each country."""

from decimal import ROUND_HALF_UP, Decimal

from sandbox.stripe import objects
from sandbox.stripe.problems import refused
from sandbox.stripe.routes import Body, Desk, is_created_within, page, serves


@serves(
    "post", "/v1/tax_rates",
    "active", "country", "description", "display_name", "inclusive", "jurisdiction", "metadata",
    "percentage", "state", "tax_type",
)  # fmt: skip
def create_tax_rate(desk: Desk, parameters: Body) -> Body:
    """Store a tax rate."""
    rate = objects.tax_rate(parameters, desk.now)
    desk.store.add(rate, desk.now)
    return rate


@serves("get", "/v1/tax_rates", "active", "created", "inclusive", "limit", "starting_after")
def list_tax_rates(desk: Desk, parameters: Body) -> Body:
    """Return tax rates, newest first."""
    found = (
        rate
        for rate in desk.store.newest_first("tax_rate")
        if is_created_within(rate, parameters.get("created"))
        and rate["active"] == parameters.get("active", rate["active"])
        and rate["inclusive"] == parameters.get("inclusive", rate["inclusive"])
    )
    return page(found, parameters, "/v1/tax_rates")


@serves("get", "/v1/tax_rates/{tax_rate}")
def retrieve_tax_rate(desk: Desk, _: Body) -> Body:
    """Return one tax rate."""
    return desk.find("tax_rate", desk.path["tax_rate"])


def line_taxes(desk: Desk, parameters: Body, amount: int) -> list[Body]:
    """Return the taxes of a line: amounts as given, or rates applied to the line's amount."""
    taxes = []
    for given in parameters.get("tax_amounts") or ():
        rate = objects.tax_rate({"metadata": {}, **given["tax_rate_data"]}, desk.now)
        desk.store.add(rate, desk.now)
        taxes.append(tax(rate, given["amount"], given["taxable_amount"]))
    for identifier in parameters.get("tax_rates") or ():
        rate = desk.find("tax_rate", identifier, "tax_rates")
        if rate["inclusive"]:
            raise refused("The sandbox does not implement inclusive tax rates", "tax_rates")
        exact = Decimal(amount) * Decimal(str(rate["percentage"])) / 100
        taxes.append(tax(rate, int(exact.quantize(Decimal(1), ROUND_HALF_UP)), amount))
    return taxes


# Percent; whoever lives elsewhere is where the seller has no duty to collect.
AUTOMATIC_RATES = {"CA": "5", "DE": "19", "US": "8.875"}


def is_automatic(invoice: Body) -> bool:
    """Return whether Stripe Tax finds the taxes of an invoice."""
    return bool(invoice["automatic_tax"]["enabled"])


def locate(desk: Desk, invoice: Body, parameters: Body) -> None:
    """Turn Stripe Tax on or off, and state whether it knows where the customer is by now."""
    invoice["automatic_tax"] |= parameters.get("automatic_tax", {})
    if is_automatic(invoice):
        customer = desk.find("customer", invoice["customer"])
        is_located = bool((customer["address"] or {}).get("country"))
        invoice["customer_address"] = customer["address"]
        invoice["automatic_tax"] |= {
            "liability": {"type": "self"},
            "provider": "stripe",
            "status": "complete" if is_located else "requires_location_inputs",
        }


def refuse_unlocated(invoice: Body) -> None:
    """Refuse to finalise an invoice whose taxes could not be found."""
    if is_automatic(invoice) and invoice["automatic_tax"]["status"] != "complete":
        raise refused(
            "The customer's location isn't recognized. Set a valid customer address in order to"
            " automatically calculate tax.",
            code="customer_tax_location_invalid",
        )


def refuse_untaxable(given: Body, amount: int) -> None:
    """Refuse a line that Stripe Tax does not take."""
    behaviour = given.get("price_data", {}).get("tax_behavior")
    if amount < 0 or behaviour not in ("exclusive", "inclusive"):
        raise refused(
            "Invoice items with manually specified tax rates, negative amounts, or"
            " tax_behavior=unspecified cannot be added to automatic tax invoices.",
            "lines",
        )
    if given.get("tax_rates") or given.get("tax_amounts"):
        raise refused("You cannot set taxes on lines of automatic tax invoices.", "lines")
    if behaviour == "inclusive":
        raise refused("The sandbox does not implement inclusive automatic taxes", "lines")


def automatic_taxes(desk: Desk, invoice: Body, amount: int) -> list[Body]:
    """Return the taxes that Stripe Tax puts on a line, by the country of the customer."""
    percent = AUTOMATIC_RATES.get((invoice["customer_address"] or {}).get("country") or "")
    if percent is None:
        return []
    if invoice["customer_tax_exempt"] != "none":
        percent = "0"
    names = {"display_name": "Sandbox tax", "inclusive": False, "percentage": float(percent)}
    rate = objects.tax_rate({"metadata": {}, **names}, desk.now)
    exact = Decimal(amount) * Decimal(percent) / 100
    desk.store.add(rate, desk.now)
    return [tax(rate, int(exact.quantize(Decimal(1), ROUND_HALF_UP)), amount)]


def tax(rate: Body, amount: int, taxable_amount: int) -> Body:
    """Return one tax as lines and totals state it."""
    return {
        "amount": amount,
        "tax_behavior": "inclusive" if rate["inclusive"] else "exclusive",
        "tax_rate_details": {"tax_rate": rate["id"]},
        "taxability_reason": "not_available",
        "taxable_amount": taxable_amount,
        "type": "tax_rate_details",
    }


def summed(taxes: list[Body]) -> list[Body]:
    """Return the taxes of several lines as one per rate."""
    totals: dict[str, Body] = {}
    for item in taxes:
        rate = item["tax_rate_details"]["tax_rate"]
        total = totals.setdefault(rate, {**item, "amount": 0, "taxable_amount": 0})
        total["amount"] += item["amount"]
        total["taxable_amount"] += item["taxable_amount"]
    return list(totals.values())
