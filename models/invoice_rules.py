"""Rules of the invoices that the catalog writes line by line."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from models.charge_rules import unpayable
from models.contracts import Customer
from models.defaults import Defaults
from models.entries import repeated
from models.fields import plain
from models.manual_invoices import ManualInvoice
from models.money import minor_units, round_half_away
from models.prices import Plan
from models.problems import Problem

# What the column of an amount cannot hold.
TOO_MUCH = Decimal(10) ** 17


def manual_invoice_rules(
    customer: Customer, payer: Customer, plans: Mapping[str, Plan], defaults: Defaults
) -> Iterator[Problem]:
    """Yield a problem for every rule that a customer's own invoices break; the payer gets them."""
    yield from repeated(customer.invoices, f"the invoices of {customer.id}")
    currency = defaults.currency_of(payer, plans)
    for invoice in customer.invoices:
        for line in invoice.lines:
            if line.amount is not None:
                yield from unpayable(line.place.at("amount"), line.amount, currency)
            elif line.exact_amount >= TOO_MUCH:
                yield line.place.problem(
                    f"comes to {plain(line.exact_amount)} {currency}: an amount has at most 17 "
                    "digits before the point"
                )
            if line.tax is not None and defaults.leaves_taxes_to_stripe(payer):
                yield line.place.at("tax").problem(
                    f"Stripe Tax finds the taxes of {payer.id}: a line names none of its own"
                )
        yield from _below_zero(invoice, currency)


def _below_zero(invoice: ManualInvoice, currency: str) -> Iterator[Problem]:
    digits = minor_units(currency)
    amounts = (round_half_away(line.exact_amount, digits) for line in invoice.lines)
    total = sum(amounts, Decimal(0))
    if total < 0 and not invoice.place.is_partial:
        yield invoice.place.at("lines").problem(
            f"the lines come to {plain(total)} {currency}; an invoice cannot be below zero: what a "
            "customer is to get back is one of the credits of a contract"
        )
