"""Opening invoices: refused where nothing is paid when the contract begins."""

from collections.abc import Iterator

from models.contracts import Contract
from models.effective import Effective
from models.prices import Plan
from models.problems import Problem


def opening_rules(contract: Contract, plan: Plan) -> Iterator[Problem]:
    """Yield a problem for an opening invoice without a line."""
    if not contract.opening_invoice or contract.place.is_partial:
        return
    prices = {charge.id: charge.price for charge in plan.charges}
    prices |= {item.charge: item.price for item in contract.overrides if _holds(contract, item)}
    timings = {getattr(price, "timing", None) for price in prices.values()}
    instalments = (
        item
        for item in contract.commitments
        if item.instalments is not None and _holds(contract, item)
    )
    if not timings & {"advance", "once"} and not any(instalments):
        yield contract.place.at("opening_invoice").problem(
            f"nothing is paid when the contract begins: the plan {plan.id} has no fee that is "
            "billed in advance or once and no seats in advance, and the contract no instalments"
        )


def _holds(contract: Contract, item: Effective) -> bool:
    """Return whether a part of a contract holds on the first day that is billed."""
    since, day = item.valid_from or contract.start, contract.billing_start
    return since <= day and (item.valid_to is None or day < item.valid_to)
