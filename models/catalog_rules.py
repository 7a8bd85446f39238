"""Rules between the entries of a catalog; each broken one is told where it can be mended."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from models.charge_rules import override_rules, plan_rules
from models.contract_rules import customer_rules
from models.contracts import Customer
from models.currency_rates import currency_rate_rules
from models.customer_tree import CustomerTree, tree_rules
from models.defaults import Defaults
from models.dimensions import CostRule
from models.entries import repeated
from models.interim_rules import interim_rules
from models.invoice_rules import manual_invoice_rules
from models.problems import Problem, did_you_mean
from models.taxes import tax_rules
from models.trial_rules import trial_rules
from models.validity_rules import cost_rules_out_of_reach, validity_rules
from models.wallet_rules import wallet_tax_rules

Entries = Mapping[str, Sequence[Any]]


def broken_rules(entries: Entries, defaults: Defaults) -> list[Problem]:
    """Return a problem for every rule between entries that is broken."""
    plans = {plan.id: plan for plan in entries["plans"]}
    dimensions = {dimension.id: dimension for dimension in entries["dimensions"]}
    problems: list[Problem] = []
    # A tax has an entry for each of its rates, and so has a currency.
    problems += tax_rules(entries["taxes"])
    problems += currency_rate_rules(entries["currency_rates"], defaults.currency)
    for kind in ("dimensions", "plans", "customers", "cost_rules"):
        problems += repeated(entries[kind], kind)
    for plan in entries["plans"]:
        problems += repeated(plan.charges, f"the charges of {plan.id}")
        problems += plan_rules(plan, dimensions)
    problems += cost_rules_out_of_reach(entries["cost_rules"])
    problems += tree_rules(entries["customers"], plans, defaults)
    problems += _shared_tenants(entries["customers"])
    contracts = [contract for customer in entries["customers"] for contract in customer.contracts]
    problems += repeated(contracts, "contracts")
    tree = CustomerTree(entries["customers"])
    for customer in entries["customers"]:
        problems += customer_rules(customer, plans)
        problems += validity_rules(customer, plans, entries["taxes"])
        payer = tree.payer(customer)
        taxes = () if defaults.leaves_taxes_to_stripe(payer) else entries["taxes"]
        problems += manual_invoice_rules(customer, payer, plans, defaults)
        problems += override_rules(customer, plans, dimensions)
        for contract in customer.contracts:
            if contract.plan in plans:
                problems += trial_rules(contract, plans[contract.plan], dimensions)
                problems += interim_rules(contract, plans[contract.plan], dimensions)
                problems += wallet_tax_rules(contract, plans[contract.plan], payer, taxes)
    return problems


def _shared_tenants(customers: Iterable[Customer]) -> Iterator[Problem]:
    owners: dict[str, Customer] = {}
    for customer in customers:
        for tenant in customer.owned_tenants:
            owner = owners.setdefault(tenant, customer)
            if owner is not customer and owner.id != customer.id:
                yield customer.place.at("tenants" if customer.tenants else "id").problem(
                    f"the tenant {tenant} belongs to the customer {owner.id} already, "
                    f"in {owner.place}"
                )


def unknown_cost_sources(rules: Iterable[CostRule], source_names: Iterable[str]) -> list[Problem]:
    """Return the rules that wait for a source that ``meterhouse.yml`` does not have."""
    known = set(source_names)
    return [
        rule.match.place.at("source").problem(
            f"there is no source {rule.match.source} in meterhouse.yml"
            f"{did_you_mean(rule.match.source, known)}"
        )
        for rule in rules
        if rule.match.source is not None and rule.match.source not in known
    ]
