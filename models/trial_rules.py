"""Rules for the first units of a charge that a trial leaves free."""

from collections.abc import Iterator, Mapping

from models.charge_rules import adds_up
from models.contracts import Contract
from models.dimensions import Dimension
from models.price_models import CapacityPrice, MatrixPrice, PercentagePrice, Price, SeatPrice
from models.prices import Charge, Plan
from models.problems import Problem


def trial_rules(
    contract: Contract, plan: Plan, dimensions: Mapping[str, Dimension]
) -> Iterator[Problem]:
    """Yield a problem for each charge of which a trial cannot leave the first units free."""
    allowance = contract.trial_allowance
    seen: set[str] = set()
    for units in allowance.units if allowance is not None else ():
        place = units.place.at("charge")
        if units.charge in seen:
            yield place.problem(f"the charge {units.charge} stands twice")
        seen.add(units.charge)
        charge = plan.charge(units.charge)
        if charge is None:
            continue
        prices = [item.price for item in contract.overrides if item.charge == charge.id]
        for price in (charge.price, *prices):
            reason = _uncountable(charge, price, dimensions.get(charge.dimension or ""))
            if reason is not None:
                yield place.problem(f"the charge {charge.id} {reason}; write amount instead")
                break


def _uncountable(charge: Charge, price: Price, dimension: Dimension | None) -> str | None:
    """Return why the first units of a charge cannot be free at a price, or None."""
    if charge.is_fee:
        return "is a fee, and has no units"
    if charge.bucket is not None and charge.bucket.then == "price":
        return "has a price for each of its buckets, and units are of all of them"
    if isinstance(price, SeatPrice | CapacityPrice) or not adds_up(charge, dimension):
        return "is of a level, which does not add up to units that are spent"
    if isinstance(price, MatrixPrice):
        return "has a matrix, which does not say at which of its prices the first units are free"
    if isinstance(price, PercentagePrice) and price.record_options():
        return "asks something of each record, and units do not say of which records they are"
    return None
