"""Taxes as rows: their rates, the charges that a rate names, and who is charged which."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from models.contracts import Customer
from models.price_rows import TableRow
from models.tables import catalog as tables
from models.taxes import Tax, customer_taxes


def tax_rows(taxes: Sequence[Tax]) -> Iterator[TableRow]:
    """Yield the rows of taxes, which are sorted; the rates of a tax are numbered by time."""
    for tax_id, rates in groupby(taxes, key=lambda tax: tax.id):
        for number, rate in enumerate(rates, start=1):
            yield (
                tables.tax_rates,
                {
                    "tax_id": tax_id,
                    "rate_number": number,
                    "name": rate.name or rate.id,
                    "percent": rate.percent,
                    "valid_from": rate.valid_from,
                    "valid_to": rate.valid_to,
                    "country": rate.country,
                    "is_inclusive": rate.inclusive,
                    "scope": _scope(rate),
                },
            )
            for charge_id in dict.fromkeys(rate.named_charges or ()):
                yield (
                    tables.tax_rate_charges,
                    {"tax_id": tax_id, "rate_number": number, "charge_id": charge_id},
                )


def customer_tax_rows(customer: Customer, taxes: Sequence[Tax]) -> Iterator[TableRow]:
    """Yield a row for each of a customer's taxes, in the order of its invoice."""
    for position, tax_id in enumerate(customer_taxes(customer, taxes), start=1):
        yield (
            tables.customer_taxes,
            {"customer_id": customer.id, "tax_id": tax_id, "position": position},
        )


def _scope(rate: Tax) -> str:
    """Return what a rate is on: everything, the charges it names, or all but those."""
    if rate.named_charges is None:
        return "all"
    return "only" if rate.except_charges is None else "except"
