"""Rules about what never holds: plans no longer sold, terms in a trial, taxes that have ended."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from models.contract_terms import Credit
from models.contracts import Contract, Customer
from models.dimensions import CostMatch, CostRule
from models.effective import Effective
from models.period_days import DAYS
from models.prices import Plan
from models.problems import Problem
from models.taxes import Tax


def validity_rules(
    customer: Customer, plans: Mapping[str, Plan], taxes: Sequence[Tax]
) -> Iterator[Problem]:
    """Yield a problem for everything that a customer was given and that never holds."""
    for contract in customer.contracts:
        if contract.place.is_partial:
            continue
        yield from _trial(contract)
        yield from _terms_in_trial(contract)
        plan = plans.get(contract.plan)
        if plan is not None:
            yield from _plan_not_sold(contract, plan)
            yield from _anchor_without_months(contract, plan)
    yield from _ended_taxes(customer, taxes)
    if customer.tax == () and customer.tax_exempt != "none":
        yield customer.place.at("tax_exempt").problem(
            f"{customer.tax_exempt} says why taxes are not charged, and tax: [] that there are "
            "none; leave one of them out"
        )


def _plan_not_sold(contract: Contract, plan: Plan) -> Iterator[Problem]:
    if plan.place.is_partial:
        return
    if plan.valid_to is not None and contract.start >= plan.valid_to:
        yield contract.place.at("plan").problem(
            f"the plan {plan.id} is sold until {plan.valid_to}, and the contract starts on "
            f"{contract.start}; see to in {plan.place}"
        )
    if plan.valid_from is not None and contract.start < plan.valid_from:
        yield contract.place.at("plan").problem(
            f"the plan {plan.id} is sold from {plan.valid_from}, and the contract starts on "
            f"{contract.start}; see from in {plan.place}"
        )


def _anchor_without_months(contract: Contract, plan: Plan) -> Iterator[Problem]:
    if contract.anchor_day is not None and plan.interval in DAYS:
        yield contract.place.at("anchor_day").problem(
            f"the plan {plan.id} is billed by the {plan.interval}, and anchor_day is a day of the "
            "month: leave it out"
        )


def _trial(contract: Contract) -> Iterator[Problem]:
    if contract.end is not None and contract.billing_start > contract.end:
        yield contract.place.at("trial_days").problem(
            f"the trial goes on until {contract.billing_start}, when the contract has ended: "
            f"it ends on {contract.end}"
        )


def _terms_in_trial(contract: Contract) -> Iterator[Problem]:
    """Yield terms that end while nothing is billed yet; before the contract, others tell them."""
    terms: list[tuple[str, Effective | Credit, date | None]] = [
        *(("to", term, term.valid_to) for term in contract.overrides),
        *(("to", term, term.valid_to) for term in contract.discounts),
        *(("to", term, term.valid_to) for term in contract.commitments),
        *(("expires", credit, credit.expires) for credit in contract.credits),
    ]
    for key, term, until in terms:
        if term.place.is_partial or until is None:
            continue
        if contract.start < until <= contract.billing_start:
            yield term.place.at(key).problem(
                f"ends on {until}, within the trial: nothing is billed before "
                f"{contract.billing_start}"
            )


def _ended_taxes(customer: Customer, taxes: Sequence[Tax]) -> Iterator[Problem]:
    """Yield taxes that a customer names, and that have ended before it is billed at all."""
    begins = [contract.billing_start for contract in customer.contracts]
    for number, tax_id in enumerate(customer.tax or ()):
        rates = [tax for tax in taxes if tax.id == tax_id]
        ends = [rate.valid_to for rate in rates if rate.valid_to is not None]
        if begins and rates and len(ends) == len(rates) and max(ends) <= min(begins):
            yield customer.place.at("tax", number).problem(
                f"the tax {tax_id} has ended on {max(ends)}, and the customer is billed from "
                f"{min(begins)}; give it a rate that holds then"
            )


def cost_rules_out_of_reach(rules: Iterable[CostRule]) -> Iterator[Problem]:
    """Yield rules that never decide, since an earlier one holds for all that they match.

    A direct rule leaves the lines without its tag to those behind it.
    """
    earlier: list[CostRule] = []
    for rule in rules:
        first = next((one for one in earlier if _matches_all_of(one.match, rule.match)), None)
        if first is not None:
            yield rule.place.problem(
                f"the cost rule {rule.id} never decides: {first.id} before it, in {first.place}, "
                "matches all that it matches; write it first"
            )
        elif rule.method != "direct" and not rule.place.is_partial:
            earlier.append(rule)


def _matches_all_of(earlier: CostMatch, later: CostMatch) -> bool:
    return (
        earlier.source in (None, later.source)
        and earlier.service in (None, later.service)
        and earlier.category in (None, later.category)
        and all(
            key in (later.tag or {}) and value in (None, (later.tag or {})[key])
            for key, value in (earlier.tag or {}).items()
        )
    )
