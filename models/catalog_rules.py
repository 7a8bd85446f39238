"""Rules between the entries of a catalog; each broken one is told where it can be mended."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import combinations
from typing import Any

from models.contracts import Contract, Credit, Customer, Effective, Override, overlap
from models.dimensions import CostRule
from models.fields import plain
from models.money import decimals_of, minor_units
from models.prices import FlatPrice, Plan
from models.problems import Problem, did_you_mean
from models.yaml_files import Place

Entries = Mapping[str, Sequence[Any]]


def broken_rules(entries: Entries) -> list[Problem]:
    """Return a problem for every rule between entries that is broken."""
    plans = {plan.id: plan for plan in entries["plans"]}
    problems: list[Problem] = []
    for kind in entries:
        problems += _repeated(entries[kind], kind)
    for plan in entries["plans"]:
        problems += _plan_rules(plan)
    problems += _shared_tenants(entries["customers"])
    contracts = [contract for customer in entries["customers"] for contract in customer.contracts]
    problems += _repeated(contracts, "contracts")
    for customer in entries["customers"]:
        problems += _customer_rules(customer, plans)
    return problems


def _repeated(entries: Iterable[Any], kind: str) -> Iterator[Problem]:
    first: dict[str, Place] = {}
    for entry in entries:
        if entry.id in first:
            message = f"the id {entry.id} is already taken among {kind}, in {first[entry.id]}"
            yield entry.place.at("id").problem(message)
        first.setdefault(entry.id, entry.place.at("id"))


def _plan_rules(plan: Plan) -> Iterator[Problem]:
    yield from _repeated(plan.charges, f"the charges of {plan.id}")
    first: dict[str, str] = {}
    for charge in plan.charges:
        if charge.dimension is None:
            continue
        place = charge.place.at("dimension")
        if charge.dimension in first:
            yield place.problem(
                f"the charge {first[charge.dimension]} of this plan prices {charge.dimension} "
                "already; a plan may have one charge per dimension"
            )
        first.setdefault(charge.dimension, charge.id)


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


def _customer_rules(customer: Customer, plans: Mapping[str, Plan]) -> Iterator[Problem]:
    for contract in customer.contracts:
        yield from _repeated(contract.credits, f"the credits of {contract.id}")
        yield from _intervals(contract)
        plan = plans.get(contract.plan)
        if plan is not None:
            yield from _contract_and_plan(contract, plan)
    yield from _currencies(customer, plans)
    yield from _charged_twice(customer, plans)


def _currencies(customer: Customer, plans: Mapping[str, Plan]) -> Iterator[Problem]:
    expected, reason = customer.currency, "the customer's currency"
    for contract in customer.contracts:
        plan = plans.get(contract.plan)
        if plan is None:
            continue
        if expected is not None and plan.currency != expected:
            yield contract.place.at("plan").problem(
                f"the plan {plan.id} is in {plan.currency}, and {reason} is {expected}; "
                "a customer is billed in one currency"
            )
        elif expected is None:
            expected, reason = plan.currency, f"the currency of the plan {plan.id}"


def _charged_twice(customer: Customer, plans: Mapping[str, Plan]) -> Iterator[Problem]:
    """Yield contracts that would bill the same usage twice."""
    known = [contract for contract in customer.contracts if contract.plan in plans]
    for first, second in combinations(known, 2):
        if first.place.is_partial or second.place.is_partial:
            continue
        if not overlap(first.start, first.end, second.start, second.end):
            continue
        shared = _dimensions(plans[first.plan]) & _dimensions(plans[second.plan])
        if shared:
            yield second.place.problem(
                f"the contract {second.id} runs at the same time as {first.id}, and both price "
                f"{', '.join(sorted(shared))}; end one before the other starts"
            )


def _dimensions(plan: Plan) -> set[str]:
    return {charge.dimension for charge in plan.charges if charge.dimension is not None}


def _intervals(contract: Contract) -> Iterator[Problem]:
    """Yield parts of a contract that hold on none of its days."""
    parts: list[tuple[str, Effective | Credit, date | None]] = [
        *(("to", part, part.valid_to) for part in contract.overrides),
        *(("to", part, part.valid_to) for part in contract.discounts),
        *(("expires", credit, credit.expires) for credit in contract.credits),
    ]
    for key, part, until in parts:
        if contract.place.is_partial or part.place.is_partial:
            continue
        if until is not None and until <= contract.start:
            yield part.place.at(key).problem(
                f"ends on {until}, when the contract has not begun: it starts on {contract.start}"
            )
        if contract.end and part.valid_from and part.valid_from >= contract.end:
            yield part.place.at("from").problem(
                f"begins on {part.valid_from}, when the contract has ended: "
                f"it ends on {contract.end}"
            )


def _contract_and_plan(contract: Contract, plan: Plan) -> Iterator[Problem]:
    for override in contract.overrides:
        yield from _price_of_another_kind(override, plan)
    yield from _overlapping_overrides(contract)
    if contract.minimum is not None:
        place, amount = contract.minimum.place, contract.minimum.amount
        yield from _unpayable(place.at("amount"), amount, plan.currency)
    for credit in contract.credits:
        yield from _unpayable(credit.place.at("amount"), credit.amount, plan.currency)


def _price_of_another_kind(override: Override, plan: Plan) -> Iterator[Problem]:
    charge = plan.charge(override.charge)
    if charge is None or charge.is_fee == isinstance(override.price, FlatPrice):
        return
    kind = "is a fee, and needs a flat price" if charge.is_fee else "bills usage, not a flat fee"
    yield override.place.at("price").problem(f"the charge {charge.id} {kind}")


def _overlapping_overrides(contract: Contract) -> Iterator[Problem]:
    for first, second in combinations(contract.overrides, 2):
        if first.charge != second.charge or first.place.is_partial or second.place.is_partial:
            continue
        if overlap(
            first.valid_from or contract.start,
            first.valid_to,
            second.valid_from or contract.start,
            second.valid_to,
        ):
            yield second.place.problem(
                f"two overrides of the charge {second.charge} hold on the same day; "
                f"the other one is in {first.place}"
            )


def _unpayable(place: Place, amount: Decimal, currency: str) -> Iterator[Problem]:
    decimals = minor_units(currency)
    if decimals_of(amount) > decimals:
        yield place.problem(
            f"{plain(amount)} has more decimals than {currency}, which has {decimals}"
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
