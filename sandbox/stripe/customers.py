"""Customers and their tax ids."""

from sandbox.stripe import events, objects
from sandbox.stripe.problems import invalid
from sandbox.stripe.routes import (
    Body,
    Desk,
    is_created_within,
    merged_metadata,
    page,
    serves,
)

EDITABLE = ("description", "email", "name", "phone", "preferred_locales", "tax_exempt", "balance")


@serves("post", "/v1/customers", *EDITABLE, "address", "metadata", "tax_id_data")
def create_customer(desk: Desk, parameters: Body) -> Body:
    """Store a customer; the tax ids are told apart from the customer, as Stripe does."""
    customer = objects.customer(parameters, desk.now)
    desk.store.add(customer, desk.now)
    for data in parameters.get("tax_id_data", []):
        tax_id = objects.tax_id(data, customer["id"], desk.now)
        desk.store.add(tax_id, desk.now, parent=customer["id"])
    events.record(desk, "customer.created", customer)
    return customer


@serves("get", "/v1/customers", "created", "email", "limit", "starting_after")
def list_customers(desk: Desk, parameters: Body) -> Body:
    """Return customers, newest first."""
    email = parameters.get("email")
    found = (
        customer
        for customer in desk.store.newest_first("customer")
        if is_created_within(customer, parameters.get("created"))
        and (email is None or customer["email"] == email)
    )
    return page(found, parameters, "/v1/customers")


@serves("get", "/v1/customers/{customer}")
def retrieve_customer(desk: Desk, _: Body) -> Body:
    """Return one customer."""
    return desk.find("customer", desk.path["customer"])


@serves("post", "/v1/customers/{customer}", *EDITABLE, "address", "metadata")
def update_customer(desk: Desk, parameters: Body) -> Body:
    """Change what was given, and leave the rest."""
    customer = desk.find("customer", desk.path["customer"])
    for name in EDITABLE:
        if name in parameters:
            customer[name] = None if parameters[name] == "" else parameters[name]
    if "address" in parameters:
        customer["address"] = objects.address(parameters["address"])
    if customer["tax_exempt"] is None:
        raise invalid("tax_exempt must be one of none, exempt or reverse", "tax_exempt")
    customer["metadata"] = merged_metadata(customer["metadata"], parameters.get("metadata"))
    desk.store.put(customer)
    events.record(desk, "customer.updated", customer)
    return customer


@serves("get", "/v1/customers/{customer}/tax_ids", "limit", "starting_after")
def list_tax_ids(desk: Desk, parameters: Body) -> Body:
    """Return the tax ids of a customer, newest first."""
    customer = desk.find("customer", desk.path["customer"])
    found = desk.store.newest_first("tax_id", customer["id"])
    return page(found, parameters, f"/v1/customers/{customer['id']}/tax_ids")
