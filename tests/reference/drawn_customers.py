"""Random customers: each a small catalog of its own, and its usage."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from tests.reference.dice import ZONES, Dice, text
from tests.reference.drawn_prices import (
    drawn_dimension,
    drawn_fee,
    drawn_price,
    drawn_usage_charge,
)
from tests.reference.drawn_usage import drawn_records

AS_OF = datetime(2025, 4, 2, 12, 34, 56, tzinfo=UTC)
CURRENCIES = ("USD", "USD", "EUR", "JPY", "KWD")
# How many days a contract lasts at most: a few periods of each interval.
LONGEST = {"day": 8, "week": 40, "month": 150, "quarter": 300, "year": 480}
INTERVALS = ("day", "week", "month", "month", "month", "month", "quarter", "year")


@dataclass(frozen=True)
class Case:
    """One customer with its plans, dimensions and records; all their ids begin with its id."""

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
    plan = _plan(dice, customer_id, dimensions)
    customer = {
        "id": customer_id,
        "currency": plan["currency"],
        "timezone": dice.choice(ZONES),
        "contracts": _contracts(dice, customer_id, plan),
    }
    if dice.chance(35):
        customer["tenants"] = [f"{customer_id}-{n}" for n in range(dice.randint(1, 3))]
    catalog = {"dimensions": dimensions, "plans": [plan], "customers": [customer]}
    _taxed(dice, catalog)
    return Case(customer_id, catalog, drawn_records(dice, catalog, AS_OF))


def _plan(dice: Dice, customer_id: str, dimensions: list[dict]) -> dict:
    charges = [
        drawn_usage_charge(dice, f"u{n}", dimension) for n, dimension in enumerate(dimensions)
    ]
    charges += [
        {"id": f"f{n}", "price": drawn_fee(dice)}
        for n in range(dice.pick(0, 0, 1, 2) if charges else 1)
    ]
    return {
        "id": f"{customer_id}-plan",
        "currency": dice.choice(CURRENCIES),
        "interval": dice.choice(INTERVALS),
        "charges": charges,
    }


def _contracts(dice: Dice, customer_id: str, plan: dict) -> list[dict]:
    """Return a contract, and sometimes one that follows it, after a gap or none."""
    longest = LONGEST[plan["interval"]]
    start = dice.day()
    days = 1 if dice.chance(8) else dice.randint(1, longest)
    end = start + timedelta(days=days)
    if dice.chance(20) and (AS_OF.date() - start).days <= longest:
        return [_contract(dice, f"{customer_id}-k1", plan, start, None)]
    contracts = [_contract(dice, f"{customer_id}-k1", plan, start, end)]
    if dice.chance(15):
        start = end + timedelta(days=dice.pick(0, 0, 1, 20))
        end = start + timedelta(days=dice.randint(1, longest))
        contracts.append(_contract(dice, f"{customer_id}-k2", plan, start, end))
    return contracts


def _contract(dice: Dice, contract_id: str, plan: dict, start: date, end: date | None) -> dict:
    last = end or AS_OF.date()
    drawn: dict = {"id": contract_id, "plan": plan["id"], "start": str(start)}
    if end is not None:
        drawn["end"] = str(end)
    if dice.chance(60):
        drawn["anchor_day"] = dice.pick(1, 1, 15, 28, 29, 30, 31)
    if dice.chance(15):
        drawn["trial_days"] = dice.pick(1, 7, 14, 30, 45)
    _overridden(dice, drawn, plan, start, last)
    if dice.chance(40):
        drawn["discounts"] = [
            _discount(dice, plan, start, last) for _ in range(dice.pick(1, 1, 2, 3))
        ]
    if dice.chance(30):
        drawn["minimum"] = {"amount": dice.pick("0", "10", "100", "1000")}
    if dice.chance(35):
        drawn["credits"] = [
            _credit(dice, number, start, last) for number in range(dice.randint(1, 3))
        ]
    return drawn


def _interval(dice: Dice, start: date, last: date, until: str = "to") -> dict:
    """Return days between which something of a contract holds; either may be left out."""
    days = sorted({dice.day_near(start, last), dice.day_near(start, last)})
    drawn = {}
    if dice.chance(70):
        drawn["from"] = str(days[0])
    if dice.chance(50) and days[-1] > start and (len(days) == 2 or "from" not in drawn):
        drawn[until] = str(days[-1])
    return drawn


def _overridden(dice: Dice, drawn: dict, plan: dict, start: date, last: date) -> None:
    overrides = []
    for charge in plan["charges"]:
        if dice.chance(65):
            continue
        first = {"charge": charge["id"], "price": _other_price(dice, charge)}
        first |= _interval(dice, start, last)
        overrides.append(first)
        if "to" in first and dice.chance(50):
            price = _other_price(dice, charge)
            overrides.append({"charge": charge["id"], "price": price, "from": first["to"]})
    if overrides:
        drawn["overrides"] = overrides


def _other_price(dice: Dice, charge: dict) -> dict:
    if "dimension" in charge:
        return drawn_price(dice)
    return drawn_fee(dice)


def _discount(dice: Dice, plan: dict, start: date, last: date) -> dict:
    drawn: dict = {"percent": dice.pick("10", "33.333333", "100", "0.000001", "50", "7.5")}
    if dice.chance(50):
        ids = [charge["id"] for charge in plan["charges"]]
        drawn["charges"] = dice.sample(ids, dice.randint(1, len(ids)))
    return drawn | _interval(dice, start, last)


def _credit(dice: Dice, number: int, start: date, last: date) -> dict:
    drawn: dict = {"id": f"g{number}", "amount": text(Decimal(dice.pick(1, 10, 50, 100, 1000)))}
    if dice.chance(60):
        drawn["priority"] = dice.randint(0, 2)
    drawn["paid"] = dice.chance(50)
    return drawn | _interval(dice, start, last, "expires")


def _taxed(dice: Dice, catalog: dict) -> None:
    customer = catalog["customers"][0]
    if dice.chance(40):
        tax_id = f"{customer['id']}-tax"
        catalog["taxes"] = [{"id": tax_id, "percent": dice.pick("19", "0", "7.75", "20")}]
        customer["tax"] = tax_id
        if dice.chance(20):
            customer["tax_exempt"] = dice.pick("exempt", "reverse")
