"""Random dimensions and charges."""

from collections.abc import Callable
from decimal import Decimal

from tests.reference.dice import Dice, text
from tests.reference.quantities import is_level

STEP = Decimal("0.000000001")
AGGREGATIONS = (
    *("sum", "sum", "sum", "sum", "sum", "count", "count"),
    *("max", "latest", "latest", "count_distinct", "min", "average"),
    *("time_weighted", "percentile"),
)
QUOTIENTS = ("average", "time_weighted")
STEPPED = ("package", "graduated", "volume", "stairstep", "graduated_percentage")
NOT_BY_BUCKET = ("count_distinct", "time_weighted", "percentile")
REGIONS = ("eu", "us", "ap", 7)
SIZES = ("S", "XL")
CONVERSIONS = (
    {"divide": "1000000000"},
    {"multiply": "2", "divide": "3"},
    {"multiply": "0.001"},
    {"multiply": "24", "divide": "7"},
    {"multiply": "0.000001", "divide": "3"},
)


def drawn_dimension(dice: Dice, dimension_id: str) -> dict:
    kind = dice.choice(AGGREGATIONS)
    drawn: dict = {"id": dimension_id, "aggregation": kind}
    if kind == "count_distinct":
        drawn["distinct_on"] = "user"
    if kind in ("latest", "time_weighted") and dice.chance(40):
        drawn["carry_over"] = True
    if kind == "time_weighted" and "carry_over" in drawn and dice.chance(50):
        drawn["deltas"] = True
    if kind == "percentile":
        drawn["percentile"] = dice.pick("95", "50", "99.9", "100", "0.000001")
    if dice.chance(30):
        # What is a quotient already has no digits to spare for the last one.
        drawn["convert"] = dice.choice(CONVERSIONS[:-1] if kind in QUOTIENTS else CONVERSIONS)
    if dice.chance(35):
        drawn["rounding"] = {
            "decimals": dice.pick(0, 0, 1, 3, 8, 9),
            "mode": dice.pick("up", "down", "half_up"),
        }
    return drawn


def drawn_usage_charges(dice: Dice, charge_id: str, dimension: dict) -> list[dict]:
    """Return the charges of a dimension: two share it if their filters exclude each other."""
    if not dice.chance(10):
        return [_charge(dice, charge_id, dimension)]
    first, second = ({"where": {"region": "eu"}}, {"where": {"region": ["us", "7"]}})
    if dice.chance(40):
        second["where"]["size"] = "XL"
    one = _charge(dice, f"{charge_id}a", dimension) | first
    return [one] if dice.chance(30) else [one, _charge(dice, f"{charge_id}b", dimension) | second]


def drawn_capacity(dice: Dice, charge_id: str, dimensions: list[dict]) -> dict:
    """Return a charge that bills some dimensions together."""
    charge = {"id": charge_id, "price": drawn_limits(dice, [one["id"] for one in dimensions])}
    if dice.chance(20):
        charge["where"] = {"size": ["S", "XL"]}
    return charge


def drawn_limits(dice: Dice, limited: list[str]) -> dict:
    """Return a capacity of some dimensions; not every tier limits all of them."""
    limits = [{one: bound(dice) for one in limited}]
    for _ in range(dice.pick(0, 1, 2)):
        more = {one: limit + dice.pick(STEP, 1, 10) for one, limit in limits[-1].items()}
        limits.append({one: more[one] for one in list(more)[: dice.pick(1, 2)]})
    tiers = [{"limits": {one: text(most) for one, most in tier.items()}} for tier in limits]
    return {
        "model": "capacity",
        "tiers": [tier | {"amount": text(dice.flat_amount())} for tier in [*tiers, {}]],
    }


def _charge(dice: Dice, charge_id: str, dimension: dict) -> dict:
    charge = {"id": charge_id, "dimension": dimension["id"], "price": drawn_price(dice, dimension)}
    if dice.chance(35) and not is_by_record(charge["price"]):
        charge["included"] = text(bound(dice))
    if ("tiers" in charge["price"] and dice.chance(30)) or charge["price"]["model"] == "package":
        charge["tiers_span"] = dice.pick("period", "part")
    if dice.chance(12):
        charge["minimum"] = dice.pick("0", "1", "100")
    if dice.chance(12):
        charge["maximum"] = dice.pick("0.5", "100", "1000")
    if dice.chance(5):
        charge["group_by"] = ["region"]
    if dice.chance(6) and not is_by_record(charge["price"]):
        charge["bucket"] = {
            "every": dice.pick("hour", "day"),
            "then": dice.pick("sum", "max", "average", "price"),
        }
    _mended(charge, dimension)
    return charge


def _mended(charge: dict, dimension: dict) -> None:
    """Take away what validation would refuse together."""
    if charge["price"]["model"] == "seat":
        charge.pop("bucket", None)
        charge.pop("tiers_span", None)
    if "carry_over" in dimension or dimension["aggregation"] in NOT_BY_BUCKET:
        charge.pop("bucket", None)
    _mend_priced_buckets(charge)
    adds_up = dimension["aggregation"] in ("sum", "count")
    if "bucket" in charge:
        adds_up = charge["bucket"]["then"] == "sum"
    if not adds_up:
        charge.pop("tiers_span", None)
    if charge["price"]["model"] == "matrix":
        charge.pop("included", None)
    if "minimum" in charge and "maximum" in charge:
        del charge["minimum"]


def is_priced_by_bucket(charge: dict) -> bool:
    """Return whether each bucket of a charge has a price of its own."""
    return charge.get("bucket", {}).get("then") == "price"


def _mend_priced_buckets(charge: dict) -> None:
    if is_priced_by_bucket(charge) and charge["price"]["model"] not in STEPPED:
        charge["bucket"]["then"] = "sum"
    if is_priced_by_bucket(charge):
        charge.pop("included", None)


def may_have(charge: dict, price: dict, *, has_trial: bool = False) -> bool:
    """Return whether another price may take the place of a charge's own."""
    if is_priced_by_bucket(charge):
        return price["model"] in STEPPED
    has_free_units = has_trial or "included" in charge
    return not is_by_record(price) and not (price["model"] == "matrix" and has_free_units)


def may_be_tried(charge: dict, dimension: dict | None) -> bool:
    """Return whether a trial may leave the first units of a charge free."""
    return (
        dimension is not None
        and not is_level(dimension, charge.get("bucket"))
        and not is_priced_by_bucket(charge)
        and not is_by_record(charge["price"])
        and charge["price"]["model"] != "matrix"
    )


def is_by_record(price: dict) -> bool:
    """Return whether a price asks more of a record than its value."""
    asked = {"fixed_amount", "free_records", "free_amount", "min_amount", "max_amount"}
    return bool(price.keys() & asked)


def bound(dice: Dice) -> Decimal:
    """Return a quantity that something changes at; small ones are reached by counting."""
    if dice.chance(60):
        return Decimal(dice.pick(1, 2, 3, 5, 10))
    return dice.pick(STEP, Decimal("0.5"), Decimal("2.5"), Decimal(100), dice.digits(3, 9) + STEP)


MODELS = (
    *("per_unit", "package", "graduated", "graduated", "volume", "stairstep", "dynamic"),
    *("graduated_percentage", "percentage", "percentage", "credits", "matrix"),
)


OF_MONEY = ("percentage", "graduated_percentage", "dynamic")


def drawn_price(dice: Dice, dimension: dict) -> dict:
    """Return the price of a usage charge."""
    model = dice.choice(MODELS)
    if dimension["aggregation"] == "latest" and dice.chance(40):
        model = "seat"
    if model in OF_MONEY and dimension["aggregation"] != "sum":
        # Their values are money, which is added up.
        model = "graduated"
    if model == "percentage":
        return {"model": model} | _percentage(dice, dimension)
    if model == "seat" and "carry_over" in dimension and dice.chance(50):
        return {"model": model, "timing": "advance"} | _seat(dice, model)
    return {"model": model} | DRAWN.get(model, _tiered)(dice, model)


def _per_unit(dice: Dice, _model: str) -> dict:
    return {"unit_amount": text(dice.unit_amount())}


def _package(dice: Dice, _model: str) -> dict:
    return {
        "package_size": text(bound(dice)),
        "package_amount": text(dice.unit_amount()),
        "rounding": dice.pick("up", "down", "half_up"),
    }


def _dynamic(dice: Dice, _model: str) -> dict:
    return {"multiplier": dice.pick("1", "1.2", "0.000000000001", "0")}


def _tiered(dice: Dice, model: str) -> dict:
    return {"tiers": drawn_tiers(dice, model)}


def _seat(dice: Dice, _model: str) -> dict:
    drawn = {"prorate": dice.pick("day", "none"), "on_removal": dice.pick("none", "credit")}
    if dice.chance(50):
        return drawn | {"unit_amount": text(dice.unit_amount())}
    return drawn | {"tiers": drawn_tiers(dice, "graduated")}


def _percentage(dice: Dice, dimension: dict) -> dict:
    drawn = {"percent": dice.pick("2.9", "1", "100", "0", "0.5")}
    if dimension["aggregation"] != "sum" or "convert" in dimension or "rounding" in dimension:
        return drawn
    if dice.chance(50):
        drawn["fixed_amount"] = dice.pick("0.30", "0.1", "1")
    if dice.chance(30):
        drawn["free_records"] = dice.pick(1, 2, 3)
    if dice.chance(30):
        drawn["free_amount"] = text(bound(dice))
    if dice.chance(30):
        drawn["min_amount"] = dice.pick("0.5", "0.01")
    if dice.chance(30):
        drawn["max_amount"] = dice.pick("0.5", "5", "20")
    return drawn


def _by_metadata(dice: Dice, model: str) -> dict:
    matches = [{"region": "eu", "size": "XL"}, {"region": "eu"}, {"size": "XL"}, {"region": "7"}]
    matches = [match for match in matches if dice.chance(50)]
    if model == "credits":
        return {
            "rates": [
                {"match": match, "credits": dice.pick("16", "0.5", "0")} for match in matches
            ],
            "default": dice.pick("1", "2.25"),
            "credit_amount": text(dice.unit_amount()),
        }
    return {
        "by": ["region", "size"],
        "prices": [{"match": match, "unit_amount": text(dice.unit_amount())} for match in matches],
        "default": text(dice.unit_amount()),
    }


DRAWN: dict[str, Callable[[Dice, str], dict]] = {
    "per_unit": _per_unit,
    "package": _package,
    "dynamic": _dynamic,
    "seat": _seat,
    "credits": _by_metadata,
    "matrix": _by_metadata,
}


def drawn_tiers(dice: Dice, model: str) -> list[dict]:
    bounds = sorted({bound(dice) for _ in range(dice.randint(0, 3))})
    if bounds and dice.chance(15):
        # A tier that is almost empty.
        bounds = sorted({*bounds, bounds[-1] + STEP})
    return [{"up_to": up_to} | _of_a_tier(dice, model) for up_to in [*map(text, bounds), None]]


def _of_a_tier(dice: Dice, model: str) -> dict:
    flat = {"flat_amount": text(dice.flat_amount())}
    if model == "stairstep":
        return flat
    if not dice.chance(40):
        flat = {}
    if model == "graduated_percentage":
        return flat | {"percent": dice.pick("2.9", "1.25", "0", "100")}
    return flat | {"unit_amount": text(dice.unit_amount())}


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
    if price["model"] == "capacity":
        tiers = [tier["limits"] for tier in price["tiers"] if "limits" in tier]
        return [Decimal(most) for tier in tiers for most in tier.values()]
    ends = [Decimal(tier["up_to"]) for tier in price.get("tiers", []) if tier["up_to"]]
    ends += [Decimal(price["free_amount"])] if "free_amount" in price else []
    if "package_size" in price:
        ends += [Decimal(price["package_size"]), 2 * Decimal(price["package_size"])]
    return [included, *(included + end for end in ends)]
