"""A contract as rows: a discount becomes one row per charge it applies to."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from models.charge_rows import meters
from models.contract_terms import TRIAL, Commitment
from models.contracts import Contract, Customer
from models.money import from_minor, to_minor
from models.period_days import period_starts
from models.price_rows import TableRow, price_rows
from models.prices import Plan
from models.tables import catalog as tables


def contract_rows(customer: Customer, contract: Contract, plan: Plan) -> Iterator[TableRow]:
    """Yield the row of a contract and those of its parts."""
    yield (
        tables.contracts,
        {
            "contract_id": contract.id,
            "customer_id": customer.id,
            "plan_id": plan.id,
            "start_date": contract.start,
            "end_date": contract.end,
            "anchor_day": contract.period_anchor,
            "billing_start_date": contract.billing_start,
            "minimum_amount": contract.minimum.amount if contract.minimum else None,
            "has_opening_invoice": contract.opening_invoice,
        },
    )
    for cut_on in contract.interim_invoices:
        yield tables.contract_cuts, {"contract_id": contract.id, "cut_on": cut_on}
    yield from _override_rows(contract, plan)
    yield from _discount_rows(contract, plan)
    yield from _commitment_rows(contract, plan)
    yield from _trial_rows(contract)
    yield from _credit_rows(contract)
    yield from _wallet_rows(contract)


def _override_rows(contract: Contract, plan: Plan) -> Iterator[TableRow]:
    for override in contract.overrides:
        valid_from = override.valid_from or contract.start
        price_id = f"contract/{contract.id}/{override.charge}/{valid_from.isoformat()}"
        row = {
            "contract_id": contract.id,
            "charge_id": override.charge,
            "valid_from": valid_from,
            "valid_to": override.valid_to,
            "price_id": price_id,
        }
        yield tables.contract_overrides, row
        yield from price_rows(price_id, override.price)
        # What is measured for a charge is split where the charge is.
        charge = plan.charge(override.charge)
        for meter in meters(plan, charge) if charge else ():
            named = {"charge_id": meter["charge_id"], "price_id": meter["price_id"]}
            yield tables.contract_overrides, {**row, **named}


def _discount_ids(contract: Contract) -> Iterator[str]:
    """Yield what each discount is known by in every version of the catalog."""
    seen: Counter[str] = Counter()
    for discount in contract.discounts:
        seen[discount.about] += discount.id is None
        yield discount.id or f"{discount.about}, {seen[discount.about]}"


def _discount_rows(contract: Contract, plan: Plan) -> Iterator[TableRow]:
    discounts = zip(contract.discounts, _discount_ids(contract), strict=True)
    for number, (discount, discount_id) in enumerate(discounts, start=1):
        charges = discount.charges
        if charges is None:
            charges = tuple(charge.id for charge in plan.charges)
        for charge_id in dict.fromkeys(charges):
            yield (
                tables.contract_discounts,
                {
                    "contract_id": contract.id,
                    "discount_number": number,
                    "charge_id": charge_id,
                    "discount_id": discount_id,
                    "percent": discount.percent,
                    "amount": discount.amount,
                    "valid_from": discount.valid_from or contract.start,
                    "valid_to": discount.valid_to,
                    "max_periods": discount.max_periods,
                },
            )


def _commitment_rows(contract: Contract, plan: Plan) -> Iterator[TableRow]:
    for number, commitment in enumerate(contract.commitments, start=1):
        yield (
            tables.contract_commitments,
            {
                "contract_id": contract.id,
                "commitment_number": number,
                "amount": commitment.amount,
                "valid_from": commitment.valid_from or contract.start,
                "valid_to": commitment.valid_to or contract.end,
                "overage_factor": commitment.overage_factor,
                "is_prepaid": commitment.instalments is not None,
                "prepayment_discount": commitment.prepayment_discount,
            },
        )
        if commitment.instalments is not None:
            yield from _instalment_rows(contract, plan, number, commitment)


def _instalment_rows(
    contract: Contract, plan: Plan, number: int, commitment: Commitment
) -> Iterator[TableRow]:
    count = commitment.instalments or 1
    since, until = commitment.valid_from or contract.start, commitment.valid_to or contract.end
    if until is None:
        return
    starts = list(period_starts(contract, plan, since, until))
    days = [*starts[:: len(starts) // count], until]
    units, units_left = divmod(to_minor(commitment.amount, plan.currency), count)
    for instalment in range(1, count + 1):
        amount = units + (1 if instalment <= units_left else 0)
        yield (
            tables.commitment_instalments,
            {
                "contract_id": contract.id,
                "commitment_number": number,
                "instalment_number": instalment,
                "due_on": days[instalment - 1],
                "covered_until": days[instalment],
                "amount": from_minor(amount, plan.currency),
            },
        )


def _trial_rows(contract: Contract) -> Iterator[TableRow]:
    allowance = contract.trial_allowance
    for units in allowance.units if allowance is not None else ():
        yield (
            tables.contract_trial_units,
            {
                "contract_id": contract.id,
                "charge_id": units.charge,
                "quantity": units.quantity,
                "expires_on": contract.trial_end,
            },
        )
    if allowance is not None and allowance.amount is not None:
        yield (
            tables.credit_grants,
            {
                "contract_id": contract.id,
                "credit_id": TRIAL,
                "amount": allowance.amount,
                "valid_from": contract.start,
                "expires_on": contract.trial_end,
                "every_periods": None,
                "rollover_amount": Decimal(0),
                "rollover_periods": 0,
                # Before every other credit.
                "priority": -1,
                "is_paid": False,
                "is_limited": False,
            },
        )


def _credit_rows(contract: Contract) -> Iterator[TableRow]:
    for credit in contract.credits:
        credit_key = {"contract_id": contract.id, "credit_id": credit.id}
        yield (
            tables.credit_grants,
            {
                **credit_key,
                "amount": credit.amount,
                "valid_from": credit.valid_from or contract.start,
                "expires_on": credit.expires,
                "every_periods": credit.every_periods,
                "rollover_amount": credit.rollover_amount,
                "rollover_periods": credit.rollover.periods if credit.rollover else 0,
                "priority": credit.priority,
                "is_paid": credit.paid,
                "is_limited": credit.applies_to is not None,
            },
        )
        for charge_id in credit.applies_to or ():
            yield tables.credit_charges, {**credit_key, "charge_id": charge_id}


def _wallet_rows(contract: Contract) -> Iterator[TableRow]:
    for wallet in contract.wallets:
        wallet_key = {"contract_id": contract.id, "wallet_id": wallet.id}
        automatic = wallet.automatic
        yield (
            tables.wallets,
            {
                **wallet_key,
                "priority": wallet.priority,
                "valid_days": wallet.valid_days,
                "is_limited": wallet.applies_to is not None,
                "automatic_below": automatic.below if automatic else None,
                "automatic_amount": automatic.amount if automatic else None,
            },
        )
        for top_up in wallet.top_ups:
            row = {**wallet_key, "due_on": top_up.day, "amount": top_up.amount}
            yield tables.wallet_top_ups, row
        for charge_id in wallet.applies_to or ():
            scope = {"contract_id": contract.id, "credit_id": wallet.id, "charge_id": charge_id}
            yield tables.credit_charges, scope
