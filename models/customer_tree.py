"""Who pays for a customer, and whose contracts its usage is rated by."""

from collections.abc import Iterable, Iterator, Mapping

from models.contracts import Customer
from models.defaults import Defaults
from models.prices import Plan
from models.problems import Problem


class CustomerTree:
    """The customers of a catalog with their parents; a circle ends where it closes."""

    def __init__(self, customers: Iterable[Customer]) -> None:
        self._customers = {customer.id: customer for customer in customers}

    def payers(self, customer: Customer) -> list[Customer]:
        """Return a customer and those it is billed to in turn; the last one pays."""
        line = [customer]
        while line[-1].bill_to == "parent":
            parent = self._customers.get(line[-1].parent or "")
            if parent is None or parent.id in {member.id for member in line}:
                break
            line.append(parent)
        return line

    def payer(self, customer: Customer) -> Customer:
        """Return who pays the invoices of a customer."""
        return self.payers(customer)[-1]

    def contract_holder(self, customer: Customer) -> Customer:
        """Return whose contracts rate the usage of a customer: its own, else its payers'."""
        holders = (payer for payer in self.payers(customer) if payer.contracts)
        return next(holders, customer)

    def ancestors(self, customer: Customer) -> Iterator[Customer]:
        """Yield the parent of a customer, its parent, and so on, up to one that was there."""
        seen = {customer.id}
        parent = self._customers.get(customer.parent or "")
        while parent is not None:
            yield parent
            if parent.id in seen:
                return
            seen.add(parent.id)
            parent = self._customers.get(parent.parent or "")


def tree_rules(
    customers: Iterable[Customer], plans: Mapping[str, Plan], defaults: Defaults
) -> Iterator[Problem]:
    """Yield a problem for every rule between a customer and those it belongs to."""
    customers = list(customers)
    tree = CustomerTree(customers)
    for customer in customers:
        if any(ancestor.id == customer.id for ancestor in tree.ancestors(customer)):
            yield customer.place.at("parent").problem(
                f"{customer.id} is its own parent, by way of its parents"
            )
        elif customer.bill_to == "parent":
            yield from _of_the_payer(customer, tree.payer(customer), plans, defaults)


def _of_the_payer(
    customer: Customer, payer: Customer, plans: Mapping[str, Plan], defaults: Defaults
) -> Iterator[Problem]:
    for key in ("tax", "tax_exempt", "stripe_tax", "stripe_customer", "consolidated_invoices"):
        if key in customer.model_fields_set:
            yield customer.place.at(key).problem(
                f"the invoices of {customer.id} go to {payer.id}, which decides how they are "
                "taxed, consolidated and sent: say it there"
            )
    own, theirs = defaults.currency_of(customer, plans), defaults.currency_of(payer, plans)
    if has_currency(customer) and own != theirs:
        yield customer.place.at("bill_to").problem(
            f"{customer.id} is billed in {own}, and its payer {payer.id} in {theirs}; "
            "a customer is billed in one currency"
        )


def has_currency(customer: Customer) -> bool:
    """Return whether a customer says by itself what it is billed in."""
    return customer.currency is not None or bool(customer.contracts)
