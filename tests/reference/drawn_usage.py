"""Random usage: quantities that end on a bound, just above it, at zero or below."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from tests.reference.dice import Dice, text, timestamp
from tests.reference.drawn_prices import REGIONS, SIZES, STEP, bounds_of
from tests.reference.periods import begun_periods, day, start_of

USERS = ("ada", "bob", "cy", "dee", "e")


def drawn_records(dice: Dice, catalog: dict, as_of: datetime) -> list[dict]:
    """Return what one customer's systems delivered."""
    records: list[dict] = []
    for charge in (charge for plan in catalog["plans"] for charge in plan["charges"]):
        limits = charge["price"].get("tiers", [{}])[0].get("limits", {})
        for dimension in [charge["dimension"]] if "dimension" in charge else limits:
            of_one = charge | {"dimension": dimension}
            records += _of_charge(dice, catalog, of_one, as_of, len(records))
    records += _corrections(dice, records)
    if "'seat'" in str(catalog):
        # Nobody has less than no seats.
        records = [record | {"value": record["value"].lstrip("-")} for record in records]
    return records


def _of_charge(
    dice: Dice, catalog: dict, charge: dict, as_of: datetime, position: int
) -> list[dict]:
    plans = {plan["id"]: plan for plan in catalog["plans"]}
    dimension = next(one for one in catalog["dimensions"] if one["id"] == charge["dimension"])
    records: list[dict] = []
    taken: set[datetime] = set()
    stretches = [
        stretch
        for customer in catalog["customers"]
        for contract in customer.get("contracts", [])
        for stretch in _stretches(contract, plans[contract["plan"]], customer["timezone"], as_of)
        if dice.chance(75)
    ]
    for start, end in stretches:
        for value in _values(dice, charge, dimension):
            at = dice.instant(start, end)
            while at in taken:
                # Which of two levels at one instant is the latest is not ours to say.
                at += timedelta(microseconds=1)
            taken.add(at)
            number = position + len(records)
            records.append(_record(dice, catalog["customers"], dimension, at, value, number))
    return records


def _stretches(
    contract: dict, plan: dict, zone: str, as_of: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the parts of the contract's periods, and the days before them."""
    days = {day(contract["start"])}
    for period in begun_periods(contract, plan["interval"], zone, as_of):
        days |= {period.start, period.end}
    for override in contract.get("overrides", []):
        days |= {day(override[key]) for key in ("from", "to") if key in override}
    ordered = sorted(days)
    yield start_of(ordered[0] - timedelta(days=2), zone), start_of(ordered[0], zone)
    for first, last in pairwise(ordered):
        if start_of(first, zone) < as_of:
            yield start_of(first, zone), min(start_of(last, zone), as_of)


def _values(dice: Dice, charge: dict, dimension: dict) -> list[Decimal]:
    """Return the values of some records, which often add up to a bound of the price."""
    if dice.chance(60):
        aim = dice.choice(bounds_of(charge)) + dice.pick(Decimal(0), Decimal(0), STEP, -STEP)
        kind = dimension["aggregation"]
        if kind in ("count", "count_distinct"):
            return [Decimal(1)] * min(int(aim), 12)
        aim = _unconverted(dimension, aim)
        if kind == "sum" and dice.chance(50):
            first = dice.digits(2, 9)
            return [first, aim - first]
        return [aim]
    return [_value(dice) for _ in range(dice.randint(1, 4))]


def _unconverted(dimension: dict, quantity: Decimal) -> Decimal:
    convert = dimension.get("convert", {})
    found = quantity * Decimal(convert.get("divide", "1")) / Decimal(convert.get("multiply", "1"))
    return min(found, Decimal(10) ** 15).quantize(STEP)


def _value(dice: Dice) -> Decimal:
    if dice.chance(15):
        return Decimal(0)
    value = dice.digits(4, 9) if dice.chance(70) else Decimal(dice.pick(1, 2, 3))
    return -value if dice.chance(15) else value


def _record(
    dice: Dice,
    customers: list[dict],
    dimension: dict,
    at: datetime,
    value: Decimal,
    position: int,
) -> dict:
    tenants = [one for each in customers for one in each.get("tenants", [each["id"]])]
    record = {
        "id": f"{customers[0]['id']}-{position}",
        "timestamp": timestamp(at),
        "tenant_id": dice.choice(tenants),
        "dimension_id": dimension["id"],
        "value": text(value),
    }
    metadata = {}
    if dimension["aggregation"] == "count_distinct" and dice.chance(90):
        metadata["user"] = dice.choice(USERS)
    if dice.chance(70):
        metadata["region"] = dice.choice(REGIONS)
    if dice.chance(50):
        metadata["size"] = dice.choice(SIZES)
    return record | {"metadata": metadata}


def _corrections(dice: Dice, records: list[dict]) -> list[dict]:
    """Return corrections of some records: to another value or to zero, at their time or near it."""
    corrections = []
    for record in records:
        if not dice.chance(8):
            continue
        at = datetime.fromisoformat(record["timestamp"])
        if dice.chance(50):
            at += timedelta(days=dice.pick(-3, 1, 9), microseconds=len(corrections) + 7)
        value = Decimal(0) if dice.chance(50) else _value(dice)
        corrections.append(
            record
            | {
                "id": f"{record['id']}-corrected",
                "timestamp": timestamp(at),
                "value": text(value),
                "corrects": record["id"],
            }
        )
    return corrections
