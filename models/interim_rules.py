"""Interim invoices: what may be billed in two parts that come to the same as the whole."""

from collections.abc import Iterator, Mapping

from models.contracts import Contract
from models.dimensions import Dimension, Rounding
from models.period_days import begins_on
from models.price_models import (
    DynamicPrice,
    FlatPrice,
    MatrixPrice,
    PercentagePrice,
    PerUnitPrice,
    Price,
)
from models.prices import Charge, Plan
from models.problems import Problem

# What else a contract may say; anything that it does not is taken to count over whole periods.
BESIDE = {
    *("id", "plan", "start", "end", "anchor_day", "trial_days"),
    *("overrides", "discounts", "credits", "interim_invoices", "opening_invoice"),
}
# What a credit may say that holds for the whole contract.
WHOLE = {"id", "amount", "priority", "paid", "applies_to"}
LINEAR = (PerUnitPrice, MatrixPrice, DynamicPrice)
ADDING_UP = ("sum", "count")


def interim_rules(
    contract: Contract, plan: Plan, dimensions: Mapping[str, Dimension]
) -> Iterator[Problem]:
    """Yield a problem for every interim invoice that is none, and for what cannot be cut."""
    if not contract.interim_invoices or contract.place.is_partial:
        return
    yield from _days(contract, plan)
    yield from _terms(contract)
    for charge in plan.charges:
        prices = [item.price for item in contract.overrides if item.charge == charge.id]
        reason = _uncuttable(charge, [charge.price, *prices], dimensions)
        if reason is not None:
            yield _refused(contract, f"the charge {charge.id} has {reason}")


def _terms(contract: Contract) -> Iterator[Problem]:
    for key in sorted(contract.model_fields_set - BESIDE):
        yield _refused(contract, f"{key} of the contract counts over whole periods")
    for discount in contract.discounts:
        if discount.percent is None or discount.model_fields_set - {"percent", "charges"}:
            yield _refused(contract, "a discount may only be a percentage without days or periods")
    for credit in contract.credits:
        if credit.model_fields_set - WHOLE:
            yield _refused(contract, f"the credit {credit.id} is not of the contract as a whole")


def _days(contract: Contract, plan: Plan) -> Iterator[Problem]:
    for number, day in enumerate(contract.interim_invoices):
        place = contract.place.at("interim_invoices", number)
        if day <= contract.billing_start or (contract.end is not None and day >= contract.end):
            yield place.problem(f"{day} is not within the days that the contract bills")
        elif begins_on(contract, plan, day):
            yield place.problem(f"a billing period begins on {day} anyway")


def _refused(contract: Contract, reason: str) -> Problem:
    return contract.place.at("interim_invoices").problem(
        f"{reason}, so a part of a period cannot be invoiced before the rest"
    )


def _uncuttable(
    charge: Charge, prices: list[Price], dimensions: Mapping[str, Dimension]
) -> str | None:
    """Return what of a charge counts over whole periods, or None."""
    if not all(map(_is_linear, prices)):
        return "a price that counts over whole periods"
    if charge.included or charge.minimum is not None or charge.maximum is not None:
        return "included units, a minimum or a maximum"
    dimension = dimensions.get(charge.dimension or "")
    if charge.bucket is not None or (dimension and dimension.aggregation not in ADDING_UP):
        return "an aggregation that does not add up"
    if dimension and dimension.rounding != Rounding():
        return "a quantity that is rounded"
    return None


def _is_linear(price: Price) -> bool:
    if isinstance(price, FlatPrice):
        return price.timing == "arrears" and price.prorate
    if isinstance(price, PercentagePrice):
        return not price.free_records and not price.free_amount
    return isinstance(price, LINEAR)
