"""What a customer is billed in and taxed by, where its own entry is silent."""

from collections.abc import Mapping
from dataclasses import dataclass

from models.contracts import Customer
from models.prices import Plan


@dataclass(frozen=True, slots=True)
class Defaults:
    """What ``meterhouse.yml`` says for customers who do not."""

    timezone: str = "UTC"
    currency: str = "USD"
    stripe_tax: bool = False

    def currency_of(self, customer: Customer, plans: Mapping[str, Plan]) -> str:
        """Return the currency of a customer: its own, else that of its plans."""
        known = [plans[contract.plan] for contract in customer.contracts if contract.plan in plans]
        return customer.currency or next((plan.currency for plan in known), self.currency)

    def leaves_taxes_to_stripe(self, customer: Customer) -> bool:
        """Return whether Stripe Tax finds the taxes of a customer."""
        if customer.stripe_tax is not None:
            return customer.stripe_tax
        return self.stripe_tax and customer.tax is None
