"""Random customers: each a small catalog of its own, and its usage."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice, takewhile

from tests.reference.dice import ZONES, Dice, text
from tests.reference.drawn_prices import (
    bound,
    drawn_capacity,
    drawn_dimension,
    drawn_fee,
    drawn_limits,
    drawn_price,
    drawn_usage_charges,
    is_by_record,
    may_be_tried,
    may_have,
)
from tests.reference.drawn_usage import drawn_records
from tests.reference.periods import all_periods

AS_OF = datetime(2025, 4, 2, 12, 34, 56, tzinfo=UTC)
CURRENCIES = ("USD", "USD", "EUR", "JPY", "KWD")
# How many days a contract lasts at most: a few periods of each interval.
LONGEST = {"day": 8, "week": 40, "month": 150, "quarter": 300, "year": 480}
INTERVALS = ("day", "week", "month", "month", "month", "month", "quarter", "year")


@dataclass(frozen=True)
class Case:
    """One customer with its children, plans, dimensions and records; all ids begin with its id."""

    customer_id: str
    catalog: dict
    records: list[dict]

    @property
    def size(self) -> int:
        return len(str(self.catalog)) + len(str(self.records))


def drawn_case(seed: int, position: int) -> Case:
    """Return a case; it is the same for the same seed and position."""
    dice = Dice(f"{seed}/{position}")
    customer_id = f"c{position:05}"
    dimensions = [
        drawn_dimension(dice, f"{customer_id}-d{n}") for n in range(dice.pick(0, 1, 1, 2, 3))
    ]
    plans = [_plan(dice, f"{customer_id}-plan", dimensions)]
    contracts = _contracts(dice, customer_id, plans[0], dimensions)
    if dice.chance(10):
        # Another contract at the same time, with a plan and dimensions of its own.
        others = [drawn_dimension(dice, f"{customer_id}-e{n}") for n in range(dice.pick(0, 1))]
        same_currency = {"currency": plans[0]["currency"]}
        plans.append(_plan(dice, f"{customer_id}-other", others) | same_currency)
        contracts += _contracts(dice, f"{customer_id}-other", plans[1], others)
        dimensions += others
    opened = Dice(f"{seed}/{position}/opened")
    for contract in contracts:
        [plan] = [plan for plan in plans if plan["id"] == contract["plan"]]
        if opened.chance(50) and _is_paid_at_first(contract, plan):
            contract["opening_invoice"] = True
    customer = {
        "id": customer_id,
        "currency": plans[0]["currency"],
        "timezone": dice.choice(ZONES),
        "contracts": contracts,
    }
    if dice.chance(35):
        customer["tenants"] = [f"{customer_id}-{n}" for n in range(dice.randint(1, 3))]
    catalog = {"dimensions": dimensions, "plans": plans, "customers": [customer]}
    if dice.chance(12):
        catalog["customers"] += _children(dice, customer_id, plans[0], dimensions)
    _taxed(dice, catalog)
    return Case(customer_id, catalog, drawn_records(dice, catalog, AS_OF))


def _children(dice: Dice, parent: str, plan: dict, dimensions: list[dict]) -> list[dict]:
    """Return customers for whom another one pays: by contracts of their own, or by those above."""
    children = []
    for _ in range(dice.pick(1, 1, 2)):
        child = {"id": f"{parent}-child", "parent": parent, "bill_to": "parent"}
        child |= {"timezone": dice.choice(ZONES)}
        parent = child["id"]
        if dice.chance(35):
            child["tenants"] = [f"{parent}-{n}" for n in range(dice.randint(1, 2))]
        if dice.chance(40):
            child["contracts"] = _contracts(dice, parent, plan, dimensions)
        children.append(child)
    return children


def _plan(dice: Dice, plan_id: str, dimensions: list[dict]) -> dict:
    together = dimensions[:2] if len(dimensions) > 1 and dice.chance(20) else []
    charges = [
        charge
        for n, dimension in enumerate(dimensions)
        if dimension not in together
        for charge in drawn_usage_charges(dice, f"u{n}", dimension)
    ]
    if together:
        charges.append(drawn_capacity(dice, "c", together))
    charges += [
        {"id": f"f{n}", "price": drawn_fee(dice)}
        for n in range(dice.pick(0, 0, 1, 2) if charges else 1)
    ]
    return {
        "id": plan_id,
        "currency": dice.choice(CURRENCIES),
        "interval": dice.choice(INTERVALS),
        "charges": charges,
    }


def _contracts(dice: Dice, customer_id: str, plan: dict, dimensions: list[dict]) -> list[dict]:
    """Return a contract, and sometimes one that follows it, after a gap or none."""
    longest = LONGEST[plan["interval"]]
    start = dice.day()
    days = 1 if dice.chance(8) else dice.randint(1, longest)
    end = start + timedelta(days=days)
    if dice.chance(20) and (AS_OF.date() - start).days <= longest:
        return [_contract(dice, f"{customer_id}-k1", plan, dimensions, start, None)]
    contracts = [_contract(dice, f"{customer_id}-k1", plan, dimensions, start, end)]
    if dice.chance(15):
        end = date.fromisoformat(contracts[0]["end"])
        start = end + timedelta(days=dice.pick(0, 0, 1, 20))
        end = start + timedelta(days=dice.randint(1, longest))
        contracts.append(_contract(dice, f"{customer_id}-k2", plan, dimensions, start, end))
    return contracts


def _contract(
    dice: Dice,
    contract_id: str,
    plan: dict,
    dimensions: list[dict],
    start: date,
    end: date | None,
) -> dict:
    last = end or AS_OF.date()
    drawn: dict = {"id": contract_id, "plan": plan["id"], "start": str(start)}
    if end is not None:
        drawn["end"] = str(end)
    if dice.chance(60) and plan["interval"] not in ("day", "week"):
        drawn["anchor_day"] = dice.pick(1, 1, 15, 28, 29, 30, 31)
    _on_trial(dice, drawn, (last - start).days, plan, dimensions)
    last = _settled_end(drawn, plan, last)
    if "trial_days" in drawn:
        # What ends within a trial is refused.
        start = min(start + timedelta(days=drawn["trial_days"]), last - timedelta(days=1))
    _overridden(dice, drawn, plan, dimensions, start, last)
    if dice.chance(40):
        drawn["discounts"] = [
            _discount(dice, plan, start, last, _seats_in_advance(drawn, plan))
            for _ in range(dice.pick(1, 1, 2, 3))
        ]
    if dice.chance(30):
        drawn["minimum"] = {"amount": dice.pick("0", "10", "100", "1000")}
    if dice.chance(25):
        drawn["commitments"] = _commitments(dice, drawn, plan)
        _paid_in_instalments(dice, drawn, plan)
    _prepaid(dice, drawn, plan, start, last)
    return drawn


def _seats_in_advance(contract: dict, plan: dict) -> set[str]:
    """Return the charges that bill seats in advance."""
    prices = [(charge["id"], charge["price"]) for charge in plan["charges"]]
    prices += [(one["charge"], one["price"]) for one in contract.get("overrides", [])]
    return {
        charge
        for charge, price in prices
        if price["model"] == "seat" and price.get("timing") == "advance"
    }


def _is_paid_at_first(contract: dict, plan: dict) -> bool:
    """Return whether something is certain to be due when a contract begins."""
    changed = {override["charge"] for override in contract.get("overrides", [])}
    kept = [charge["price"] for charge in plan["charges"] if charge["id"] not in changed]
    commitments = contract.get("commitments", [])
    return any(price.get("timing") in ("advance", "once") for price in kept) or any(
        "instalments" in commitment and "from" not in commitment for commitment in commitments
    )


def _settled_end(contract: dict, plan: dict, last: date) -> date:
    """Let a contract with seats in advance end where a period begins; return its last day."""
    if "end" not in contract or not _seats_in_advance(contract, plan):
        return last
    endless = {key: value for key, value in contract.items() if key != "end"}
    periods = all_periods(endless, plan["interval"])
    last = next(period.start for period in periods if period.start >= last)
    contract["end"] = str(last)
    return last


def _on_trial(dice: Dice, drawn: dict, days: int, plan: dict, dimensions: list[dict]) -> None:
    by_id = {dimension["id"]: dimension for dimension in dimensions}
    tried = [
        charge["id"]
        for charge in plan["charges"]
        if may_be_tried(charge, by_id.get(charge.get("dimension")))
    ]
    if dice.chance(15):
        # A trial may be all of a contract, and no longer than it.
        drawn["trial_days"] = min(dice.pick(1, 7, 14, 30, 45), days)
    if dice.chance(8):
        drawn["trial_allowance"] = {"amount": dice.pick("1", "50", "1000")}
    if tried and dice.chance(12):
        units = [
            {"charge": charge, "quantity": text(bound(dice) * dice.pick(1, 4, 30))}
            for charge in dice.sample(tried, dice.randint(1, len(tried)))
        ]
        drawn.setdefault("trial_allowance", {})["units"] = units


def _interval(dice: Dice, start: date, last: date, until: str = "to") -> dict:
    """Return days between which something of a contract holds; either may be left out."""
    days = sorted({dice.day_near(start, last), dice.day_near(start, last)})
    drawn = {}
    if dice.chance(70) and days[0] < last:
        drawn["from"] = str(days[0])
    if dice.chance(50) and days[-1] > start and (len(days) == 2 or "from" not in drawn):
        drawn[until] = str(days[-1])
    return drawn


def _overridden(
    dice: Dice, drawn: dict, plan: dict, dimensions: list[dict], start: date, last: date
) -> None:
    by_id = {dimension["id"]: dimension for dimension in dimensions}
    tried = {units["charge"] for units in drawn.get("trial_allowance", {}).get("units", [])}
    overrides = []
    for charge in plan["charges"]:
        if dice.chance(65):
            continue
        dimension, has_trial = by_id.get(charge.get("dimension")), charge["id"] in tried
        price = _other_price(dice, charge, dimension, has_trial=has_trial)
        first = {"charge": charge["id"], "price": price}
        first |= _interval(dice, start, last)
        overrides.append(first)
        if first.get("to", "9999") < str(last) and dice.chance(50):
            price = _other_price(dice, charge, dimension, has_trial=has_trial)
            overrides.append({"charge": charge["id"], "price": price, "from": first["to"]})
    if overrides:
        drawn["overrides"] = overrides


def _other_price(dice: Dice, charge: dict, dimension: dict | None, *, has_trial: bool) -> dict:
    """Return a price that a charge may have instead of its own."""
    if charge["price"]["model"] == "capacity":
        return drawn_limits(dice, list(charge["price"]["tiers"][0]["limits"]))
    if dimension is None:
        return drawn_fee(dice)
    if is_by_record(charge["price"]):
        # What is free of records runs on only where it stays the same.
        return charge["price"] | {"percent": dice.pick("5", "0.1")}
    price = drawn_price(dice, dimension)
    while not may_have(charge, price, has_trial=has_trial):
        price = drawn_price(dice, dimension)
    return price


def _discount(dice: Dice, plan: dict, start: date, last: date, seats: set[str]) -> dict:
    drawn: dict = {"percent": dice.pick("10", "33.333333", "100", "0.000001", "50", "7.5")}
    if dice.chance(35):
        drawn = {"amount": dice.pick("1", "10", "100", "1000")}
    if dice.chance(50):
        ids = [charge["id"] for charge in plan["charges"]]
        drawn["charges"] = dice.sample(ids, dice.randint(1, len(ids)))
    if "amount" in drawn and seats & {*drawn.get("charges", seats)}:
        # Refused of what is paid in advance and settled.
        drawn["percent"] = str(100 / Decimal(drawn.pop("amount")))
    if dice.chance(25):
        drawn["max_periods"] = dice.randint(1, 3)
    return drawn | _interval(dice, start, last)


def _commitments(dice: Dice, contract: dict, plan: dict) -> list[dict]:
    """Return commitments for the whole contract, or for some of its periods."""
    periods = list(islice(all_periods(contract, plan["interval"]), 6))
    drawn: dict = {"amount": dice.pick("10", "100", "1000", "5000")}
    if dice.chance(60):
        drawn["overage_factor"] = dice.pick("1.2", "0.85", "2", "1")
    if ("end" in contract and dice.chance(40)) or not periods:
        return [drawn] if "end" in contract else []
    first = dice.randrange(len(periods))
    last = dice.randrange(first, len(periods))
    terms = [drawn | {"from": str(periods[first].start), "to": str(periods[last].end)}]
    if last + 1 < len(periods) and dice.chance(40):
        following = {"from": str(periods[last].end), "to": str(periods[-1].end)}
        terms.append({"amount": "50", "overage_factor": "1.5"} | following)
    return terms


def _paid_in_instalments(dice: Dice, contract: dict, plan: dict) -> None:
    """Let some commitments be paid in instalments, where nothing is billed beside them."""
    prices = [one["price"] for one in (*plan["charges"], *contract.get("overrides", []))]
    if "minimum" in contract or any(price.get("timing") == "advance" for price in prices):
        return
    for commitment in contract["commitments"]:
        since = commitment.get("from", contract["start"])
        until = commitment.get("to") or contract["end"]
        starts = takewhile(
            lambda start, until=until: str(start) < until,
            (period.start for period in all_periods(contract, plan["interval"])),
        )
        count = sum(str(start) >= since for start in starts)
        if count and dice.chance(60):
            commitment["instalments"] = dice.choice(
                [number for number in range(1, count + 1) if not count % number]
            )
            if dice.chance(30):
                commitment["prepayment_discount"] = dice.pick("10", "33.333333", "100")


def _prepaid(dice: Dice, drawn: dict, plan: dict, start: date, last: date) -> None:
    if dice.chance(35):
        drawn["credits"] = [
            _credit(dice, plan, number, start, last) for number in range(dice.randint(1, 3))
        ]
    if dice.chance(20):
        drawn["wallets"] = _wallets(dice, plan, start, last)


def _credit(dice: Dice, plan: dict, number: int, start: date, last: date) -> dict:
    drawn: dict = {"id": f"g{number}", "amount": text(Decimal(dice.pick(1, 10, 50, 100, 1000)))}
    if dice.chance(60):
        drawn["priority"] = dice.randint(0, 2)
    drawn["paid"] = dice.chance(50)
    if dice.chance(40):
        drawn["every_periods"] = dice.pick(1, 1, 2, 3)
        if dice.chance(60):
            # Of 1 there is no half in every currency.
            most = dice.pick({}, {"amount": text(Decimal(drawn["amount"]) // 2 or Decimal(1))})
            drawn["rollover"] = most | dice.pick({}, {"periods": dice.randint(1, 3)})
    if dice.chance(30):
        ids = [charge["id"] for charge in plan["charges"]]
        drawn["applies_to"] = dice.sample(ids, dice.randint(1, len(ids)))
    return drawn | _interval(dice, start, last, "expires")


def _wallets(dice: Dice, plan: dict, start: date, last: date) -> list[dict]:
    """Return wallets, of which one may top itself up."""
    wallets = []
    for number in range(dice.pick(1, 1, 2)):
        wallet: dict = {"id": f"w{number}"}
        if dice.chance(50):
            wallet["priority"] = dice.randint(0, 2)
        if dice.chance(40):
            wallet["valid_days"] = dice.pick(1, 20, 31, 90)
        if dice.chance(30):
            ids = [charge["id"] for charge in plan["charges"]]
            wallet["applies_to"] = dice.sample(ids, dice.randint(1, len(ids)))
        days = {dice.randrange((last - start).days or 1) for _ in range(dice.randint(0, 2))}
        wallet["top_ups"] = [
            {"date": str(start + timedelta(days=day)), "amount": dice.pick("5", "60", "1000")}
            for day in sorted(days)
        ]
        if not number and (not days or dice.chance(30)):
            wallet["automatic"] = {"below": dice.pick("1", "20"), "amount": dice.pick("7", "100")}
        if wallet["top_ups"] or "automatic" in wallet:
            wallets.append(wallet)
    return wallets


def _taxed(dice: Dice, catalog: dict) -> None:
    """Give the customer a tax or two, on all charges or some, contained in prices or added."""
    customer = catalog["customers"][0]
    if dice.chance(8):
        customer["tax_exempt"] = dice.pick("exempt", "reverse")
    if not dice.chance(40):
        return
    taxes = [_tax(dice, catalog, f"{customer['id']}-tax{n}") for n in range(dice.pick(1, 1, 2))]
    customer["tax"] = [tax["id"] for tax in taxes] if len(taxes) > 1 else taxes[0]["id"]
    catalog["taxes"] = taxes


def _tax(dice: Dice, catalog: dict, tax_id: str) -> dict:
    drawn: dict = {"id": tax_id, "percent": dice.pick("19", "0", "7.75", "20")}
    if dice.chance(25):
        drawn["inclusive"] = True
    has_wallets = "'wallets'" in str(catalog["customers"])
    # A wallet for charges that are taxed in different ways is refused.
    if dice.chance(25) and not has_wallets:
        ids = [charge["id"] for charge in catalog["plans"][0]["charges"]]
        drawn[dice.pick("charges", "except_charges")] = dice.sample(ids, 1)
    return drawn
