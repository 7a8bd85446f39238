"""Contracts that replace others: upgrades and downgrades, at once or at the end of a period."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from models.contracts import Contract, Customer
from models.period_days import DAYS, begins_on
from models.prices import Plan
from models.problems import Problem, did_you_mean

# A billing period is a year at most.
LONGEST = 366


def with_replacements(
    customer: Customer, plans: Mapping[str, Plan], problems: list[Problem]
) -> Customer:
    """Return a customer whose contracts begin and end as their replacements say.

    What is wrong with a replacement is added to the problems, and leaves its contracts as they are.
    """
    given = {contract.id: contract for contract in customer.contracts}
    settled = dict(given)
    for contract in sorted(customer.contracts, key=lambda contract: contract.start):
        if contract.replaces is None or contract.place.is_partial:
            continue
        found = list(_mistakes(contract, given, settled))
        problems += found
        if not found:
            replaced = settled[contract.replaces]
            begun = _begun(contract, replaced, plans)
            problems += _ended_before(begun)
            settled[contract.id] = begun
            settled[replaced.id] = replaced.model_copy(update={"end": begun.start})
    # Of two with one id, which is refused elsewhere, each stays what it is.
    contracts = (
        settled[contract.id] if contract is given[contract.id] else contract
        for contract in customer.contracts
    )
    return customer.model_copy(update={"contracts": tuple(contracts)})


def _mistakes(
    contract: Contract, given: Mapping[str, Contract], settled: Mapping[str, Contract]
) -> Iterator[Problem]:
    place = contract.place.at("replaces")
    replaced = settled.get(contract.replaces or "")
    if replaced is None:
        hint = did_you_mean(contract.replaces or "", given)
        yield place.problem(f"the customer has no contract {contract.replaces}{hint}")
    elif contract.start <= replaced.start:
        yield contract.place.at("start").problem(
            f"the contract {contract.id} starts on {contract.start}, when {replaced.id}, which it "
            f"replaces, has not begun: it starts on {replaced.start}"
        )
    elif replaced.end is not None:
        yield place.problem(
            f"the contract {replaced.id} ends on {replaced.end} already; "
            "a contract is replaced once, and has no other end"
        )
    else:
        yield from _lost_credit(contract, replaced)


def _lost_credit(contract: Contract, replaced: Contract) -> Iterator[Problem]:
    """Yield what a customer has bought in a contract, and what would end with it."""
    bought = [wallet.id for wallet in replaced.wallets]
    bought += [
        credit.id
        for credit in replaced.credits
        if credit.paid and (credit.expires is None or credit.expires > contract.start)
    ]
    if bought:
        yield contract.place.at("replaces").problem(
            f"what is left of {', '.join(bought)}, which the customer has bought, would be lost "
            f"with the contract {replaced.id}; give that an end, this one no replaces, and grant "
            "what is left then as one of its credits"
        )


def _begun(contract: Contract, replaced: Contract, plans: Mapping[str, Plan]) -> Contract:
    """Return a contract as it begins after another one."""
    start, anchor = contract.start, contract.anchor_day
    before, after = plans.get(replaced.plan), plans.get(contract.plan)
    if contract.change == "period_end" and before is not None:
        start = next_period(replaced, before, start)
    if before is not None and after is not None and not {before.interval, after.interval} & {*DAYS}:
        anchor = anchor or replaced.period_anchor
    return contract.model_copy(update={"start": start, "anchor_day": anchor})


def _ended_before(begun: Contract) -> Iterator[Problem]:
    if begun.end is not None and begun.end <= begun.start:
        yield begun.place.at("end").problem(
            f"ends on {begun.end}, when it has not begun: with period_end it starts on "
            f"{begun.start}"
        )


def next_period(contract: Contract, plan: Plan, since: date) -> date:
    """Return the first day, from a day on, on which a billing period of a contract begins."""
    first = max(since, contract.billing_start)
    days = [first + timedelta(days=number) for number in range(LONGEST + 1)]
    return next(day for day in days if begins_on(contract, plan, day))
