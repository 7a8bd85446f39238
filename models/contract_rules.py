"""Rules between a customer's contracts, their parts and their plans."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import combinations, product

from models.charge_rules import shared_dimensions, unpayable
from models.contract_terms import TRIAL, Commitment, Credit, Override
from models.contracts import Contract, Customer
from models.effective import Effective, overlap
from models.entries import repeated
from models.opening_rules import opening_rules
from models.period_days import begins_on, period_starts
from models.price_models import FlatPrice
from models.prices import Plan
from models.problems import Problem
from models.seat_rules import seat_rules
from models.wallet_rules import wallet_rules


def customer_rules(customer: Customer, plans: Mapping[str, Plan]) -> Iterator[Problem]:
    """Yield a problem for every rule that a customer's contracts break."""
    for contract in customer.contracts:
        names = [*contract.credits, *contract.wallets]
        yield from repeated(names, f"the credits and wallets of {contract.id}")
        yield from wallet_rules(contract, plans.get(contract.plan))
        yield from _second_trial(contract)
        named = [discount for discount in contract.discounts if discount.id is not None]
        yield from repeated(named, f"the discounts of {contract.id}")
        yield from _intervals(contract)
        plan = plans.get(contract.plan)
        if plan is not None:
            yield from _contract_and_plan(contract, plan)
            yield from seat_rules(customer, contract, plan)
            yield from opening_rules(contract, plan)
    yield from _currencies(customer, plans)
    yield from _charged_twice(customer, plans)


def _second_trial(contract: Contract) -> Iterator[Problem]:
    if contract.trial_allowance is None or contract.trial_allowance.amount is None:
        return
    places = [credit.place for credit in contract.credits if credit.id == TRIAL]
    places += [wallet.place for wallet in contract.wallets if wallet.id == TRIAL]
    for place in places:
        yield place.at("id").problem(
            f"{TRIAL} is what the trial_allowance is called among the credits; expected another id"
        )


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
        charges = product(plans[first.plan].charges, plans[second.plan].charges)
        shared = {name for one, other in charges for name in shared_dimensions(one, other)}
        if shared:
            yield second.place.problem(
                f"the contract {second.id} runs at the same time as {first.id}, and both price "
                f"{', '.join(sorted(shared))}; end one before the other starts"
            )


def _intervals(contract: Contract) -> Iterator[Problem]:
    """Yield parts of a contract that hold on none of its days."""
    parts: list[tuple[str, Effective | Credit, date | None]] = [
        *(("to", part, part.valid_to) for part in contract.overrides),
        *(("to", part, part.valid_to) for part in contract.discounts),
        *(("to", part, part.valid_to) for part in contract.commitments),
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
    yield from _overlapping(contract, _same_charge(contract.overrides))
    yield from _overlapping(contract, combinations(contract.commitments, 2))
    for commitment in contract.commitments:
        yield from _term_of_whole_periods(commitment, contract, plan)
    yield from _unpayable_amounts(contract, plan)


def _unpayable_amounts(contract: Contract, plan: Plan) -> Iterator[Problem]:
    rollovers = [credit.rollover for credit in contract.credits]
    for part in (
        contract.minimum,
        contract.trial_allowance,
        *contract.discounts,
        *contract.commitments,
        *contract.credits,
        *rollovers,
    ):
        if part is not None and part.amount is not None:
            yield from unpayable(part.place.at("amount"), part.amount, plan.currency)


def _term_of_whole_periods(
    commitment: Commitment, contract: Contract, plan: Plan
) -> Iterator[Problem]:
    if contract.place.is_partial or commitment.place.is_partial:
        return
    until = commitment.valid_to or contract.end
    if until is None:
        yield commitment.place.problem("needs to, the day after the term: the contract has no end")
        return
    if contract.end and until > contract.end:
        yield commitment.place.at("to").problem(
            f"goes on until {until}, when the contract has ended: it ends on {contract.end}"
        )
        return
    for key, day in (("from", commitment.valid_from), ("to", until)):
        if day and day not in (contract.start, contract.end) and not begins_on(contract, plan, day):
            yield commitment.place.at(key).problem(
                f"{day} is not a day on which a billing period of the contract begins; "
                "a commitment holds for whole periods"
            )
            return
    if commitment.instalments is not None:
        yield from _instalments(commitment, contract, plan, until)


def _instalments(
    commitment: Commitment, contract: Contract, plan: Plan, until: date
) -> Iterator[Problem]:
    place, number = commitment.place.at("instalments"), commitment.instalments or 1
    since = commitment.valid_from or contract.start
    periods = len(list(period_starts(contract, plan, since, until)))
    if periods < number or periods % number:
        yield place.problem(
            f"the term has {periods} billing periods, over which {number} instalments "
            "cannot be spread evenly"
        )
    if contract.minimum is not None:
        yield place.problem(
            "a commitment that is paid in instalments cannot stand beside a minimum of each period"
        )
    prices = [charge.price for charge in plan.charges]
    prices += [override.price for override in contract.overrides]
    timings = {getattr(price, "timing", None) for price in prices}
    if "advance" in timings:
        yield place.problem(
            "what is billed in advance cannot draw on instalments; bill it in arrears"
        )
    if "once" in timings and contract.opening_invoice:
        yield place.problem(
            "a fee that is billed once, with the opening invoice, cannot draw on instalments; "
            "write it as an invoice of its own"
        )


def _price_of_another_kind(override: Override, plan: Plan) -> Iterator[Problem]:
    charge = plan.charge(override.charge)
    if charge is None or charge.is_fee == isinstance(override.price, FlatPrice):
        return
    kind = "is a fee, and needs a flat price" if charge.is_fee else "bills usage, not a flat fee"
    yield override.place.at("price").problem(f"the charge {charge.id} {kind}")


def _same_charge(overrides: Sequence[Override]) -> Iterator[tuple[Override, Override]]:
    for first, second in combinations(overrides, 2):
        if first.charge == second.charge:
            yield first, second


def _overlapping(
    contract: Contract, pairs: Iterable[tuple[Effective, Effective]]
) -> Iterator[Problem]:
    """Yield the second of two parts of which only one may hold on a day."""
    for first, second in pairs:
        if first.place.is_partial or second.place.is_partial:
            continue
        if overlap(
            first.valid_from or contract.start,
            first.valid_to,
            second.valid_from or contract.start,
            second.valid_to,
        ):
            what = (
                f"overrides of the charge {second.charge}"
                if isinstance(second, Override)
                else "commitments"
            )
            yield second.place.problem(
                f"two {what} hold on the same day; the other one is in {first.place}"
            )
