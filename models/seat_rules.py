"""Seats paid in advance: what a contract with them cannot say, for they are settled afterwards."""

from collections.abc import Iterator

from models.contracts import Contract, Customer
from models.period_days import begins_on
from models.price_models import SeatPrice
from models.prices import Plan
from models.problems import Problem


def seat_rules(customer: Customer, contract: Contract, plan: Plan) -> Iterator[Problem]:
    """Yield a problem for what would give back other than what was paid for seats."""
    seats = _paid_in_advance(contract, plan)
    if seats and not contract.place.is_partial:
        yield from _amounts_off(contract, seats)
        yield from _end_within_a_period(customer, contract, plan, seats)


def _paid_in_advance(contract: Contract, plan: Plan) -> list[str]:
    prices = [(charge.id, charge.price) for charge in plan.charges]
    prices += [(override.charge, override.price) for override in contract.overrides]
    return list(
        dict.fromkeys(
            charge
            for charge, price in prices
            if isinstance(price, SeatPrice) and price.timing == "advance"
        )
    )


def _amounts_off(contract: Contract, seats: list[str]) -> Iterator[Problem]:
    for discount in contract.discounts:
        met = [charge for charge in seats if discount.charges is None or charge in discount.charges]
        if discount.amount is not None and met:
            yield discount.place.at("amount").problem(
                f"the seats of the charge {met[0]} are paid in advance and settled afterwards, "
                "and an amount off what was paid would be given back as well; write percent, or "
                "charges without it"
            )


def _end_within_a_period(
    customer: Customer, contract: Contract, plan: Plan, seats: list[str]
) -> Iterator[Problem]:
    """Yield an end that leaves what was paid in an invoice of days that are all used."""
    end = contract.end
    if end is None or begins_on(contract, plan, end):
        return
    place, mend = contract.place.at("end"), "end it where one begins"
    for other in customer.contracts:
        if other.replaces == contract.id:
            place, mend = other.place.at("start"), "write change: period_end"
    yield place.problem(
        f"the contract {contract.id} ends on {end}, within a billing period, and the seats of its "
        f"charge {seats[0]} are paid in advance for the whole of it: {mend}"
    )
