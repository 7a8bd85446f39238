"""Tax rates, and the tax they put on a line."""

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
