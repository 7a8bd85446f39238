"""Rules between a customer's contracts, their parts and their plans."""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from itertools import combinations

from models.contracts import Contract, Credit, Customer, Effective, Override, overlap
from models.entries import repeated
from models.fields import plain
from models.money import decimals_of, minor_units
from models.prices import FlatPrice, Plan
from models.problems import Problem
from models.yaml_files import Place


def customer_rules(customer: Customer, plans: Mapping[str, Plan]) -> Iterator[Problem]:
    """Yield a problem for every rule that a customer's contracts break."""
    for contract in customer.contracts:
        yield from repeated(contract.credits, f"the credits of {contract.id}")
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
