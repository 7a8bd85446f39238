"""Random dimensions and charges."""

from decimal import Decimal

from tests.reference.dice import Dice, text

STEP = Decimal("0.000000001")
AGGREGATIONS = ("sum", "sum", "sum", "count", "max", "latest", "count_distinct")
CONVERSIONS = (
    {"divide": "1000000000"},
    {"multiply": "2", "divide": "3"},
    {"multiply": "0.001"},
    {"multiply": "24", "divide": "7"},
    {"multiply": "0.000000000001", "divide": "3"},
)


def drawn_dimension(dice: Dice, dimension_id: str) -> dict:
    kind = dice.choice(AGGREGATIONS)
    drawn: dict = {"id": dimension_id, "aggregation": kind}
    if kind == "count_distinct":
        drawn["distinct_on"] = "user"
    if kind == "latest" and dice.chance(40):
        drawn["carry_over"] = True
    if dice.chance(30):
        drawn["convert"] = dice.choice(CONVERSIONS)
    if dice.chance(35):
        drawn["rounding"] = {
            "decimals": dice.pick(0, 0, 1, 3, 8, 9),
            "mode": dice.pick("up", "down", "half_up"),
        }
    return drawn


def drawn_usage_charge(dice: Dice, charge_id: str, dimension: dict) -> dict:
    charge = {"id": charge_id, "dimension": dimension["id"], "price": drawn_price(dice)}
    if dice.chance(35):
        charge["included"] = text(bound(dice))
    return charge


def bound(dice: Dice) -> Decimal:
    """Return a quantity that something changes at; small ones are reached by counting."""
    if dice.chance(60):
        return Decimal(dice.pick(1, 2, 3, 5, 10))
    return dice.pick(STEP, Decimal("0.5"), Decimal("2.5"), Decimal(100), dice.digits(3, 9) + STEP)


def drawn_price(dice: Dice) -> dict:
    """Return the price of a usage charge."""
    model = dice.pick("per_unit", "package", "graduated", "graduated", "volume")
    if model == "per_unit":
        return {"model": model, "unit_amount": text(dice.unit_amount())}
    if model == "package":
        return {
            "model": model,
            "package_size": text(bound(dice)),
            "package_amount": text(dice.unit_amount()),
            "rounding": dice.pick("up", "down", "half_up"),
        }
    return {"model": model, "tiers": drawn_tiers(dice)}


def drawn_tiers(dice: Dice) -> list[dict]:
    bounds = sorted({bound(dice) for _ in range(dice.randint(0, 3))})
    if bounds and dice.chance(15):
        # A tier that is almost empty.
        bounds = sorted({*bounds, bounds[-1] + STEP})
    return [
        {
            "up_to": up_to,
            "unit_amount": text(dice.unit_amount()),
            **({"flat_amount": text(dice.flat_amount())} if dice.chance(40) else {}),
        }
        for up_to in [*map(text, bounds), None]
    ]


def drawn_fee(dice: Dice) -> dict:
    """Return the price of a fee."""
    return {
        "model": "flat",
        "amount": text(dice.flat_amount() if dice.chance(60) else dice.digits(4, 12)),
        "timing": dice.pick("advance", "advance", "arrears", "arrears", "once"),
        "prorate": dice.chance(70),
    }


def bounds_of(charge: dict) -> list[Decimal]:
    """Return the quantities at which the price of a charge changes, before included units."""
    included = Decimal(charge.get("included", "0"))
    price = charge["price"]
    ends = [Decimal(tier["up_to"]) for tier in price.get("tiers", []) if tier["up_to"]]
    if "package_size" in price:
        ends += [Decimal(price["package_size"]), 2 * Decimal(price["package_size"])]
    return [included, *(included + end for end in ends)]
