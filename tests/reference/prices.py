"""What the quantities of a period's parts cost, by price model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tests.reference.numbers import ZERO, exact, number, rounded
from tests.reference.quantities import Record, text_of


@dataclass(frozen=True)
class Part:
    """A part of a period with one price: its days of the period's, and what was used in it.

    A level is due for the days of the part; what adds up has a quantity of its own in it.
    """

    price: dict
    days: int
    of_days: int
    is_level: bool
    records: Sequence[Record]
    by_match: dict[tuple, Decimal]
    billable: Decimal

    def owed(self, by_units: Decimal, by_days: Decimal = ZERO) -> Decimal:
        """Return an amount, times the days of the period, which leaves nothing to be rounded.

        Flat amounts and levels are due for the days of the part.
        """
        return by_units * (self.days if self.is_level else self.of_days) + by_days * self.days


def rates_of(price: dict) -> list[tuple[dict, Decimal]]:
    """Return what metadata decide, the first match first; the default comes last."""
    key, value = {"matrix": ("prices", "unit_amount"), "credits": ("rates", "credits")}[
        price["model"]
    ]
    rates = [(rate["match"], number(rate[value])) for rate in price.get(key, [])]
    return [*rates, ({}, number(price["default"]))]


def keys_of(price: dict) -> list[str]:
    """Return the keys of metadata that a price tells usage apart by."""
    if price["model"] not in ("matrix", "credits"):
        return []
    return sorted({key for match, _ in rates_of(price) for key in match})


def rate_for(price: dict, group: tuple) -> Decimal:
    return next(rate for match, rate in rates_of(price) if match.items() <= dict(group).items())


def group_of(record: Record, keys: Sequence[str]) -> tuple:
    """Return those of some keys that a record has, with its values as text."""
    found = ((key, text_of(record, key)) for key in keys)
    return tuple((key, value) for key, value in found if value is not None)


def amounts(parts: Sequence[Part], *, spanning: bool = False) -> list[Decimal]:
    """Return what each part of a period costs: what its tiers contribute, rounded as one."""
    return [
        exact(owed / part.of_days)
        for owed, part in zip(owed_days(parts, spanning=spanning), parts, strict=True)
    ]


def owed_days(parts: Sequence[Part], *, spanning: bool = False) -> list[Decimal]:
    """Return what each part costs, times the days of the period."""
    return [
        sum(_slices(parts, number, spanning=spanning), ZERO)
        + _of_records(parts, number) * part.of_days
        for number, part in enumerate(parts)
    ]


def _slices(parts: Sequence[Part], position: int, *, spanning: bool) -> Iterator[Decimal]:
    part = parts[position]
    if part.price["model"] == "matrix":
        for group, quantity in part.by_match.items():
            yield part.owed(quantity * rate_for(part.price, group))
        return
    together = [
        n
        for n, other in enumerate(parts)
        if n == position or (spanning and _bounds(other.price) == _bounds(part.price))
    ]
    before = sum((parts[n].billable for n in together if n < position), ZERO)
    of_all = sum((parts[n].billable for n in together), ZERO)
    tiers = _tiers(part.price)
    if part.price["model"] in ("volume", "stairstep"):
        tier = next(tier for tier in tiers if tier.holds(of_all))
        yield part.owed(part.billable * tier.unit, tier.flat)
        return
    is_first = position == together[0]
    now, before = _counted(part.price, before + part.billable), _counted(part.price, before)
    for tier in tiers:
        units = (tier.inside(now) - tier.inside(before)) * tier.unit
        flat = tier.flat * (int(is_first) if tier.above is None else tier.rise(before, now))
        yield (units + flat) * part.of_days if spanning else part.owed(units, flat)


@dataclass(frozen=True)
class Tier:
    """A step of a price; the first one has no lower bound, since quantities may be negative."""

    above: Decimal | None
    up_to: Decimal | None
    unit: Decimal
    flat: Decimal

    def holds(self, quantity: Decimal) -> bool:
        return self.up_to is None or quantity <= self.up_to

    def inside(self, quantity: Decimal) -> Decimal:
        end = quantity if self.up_to is None else min(quantity, self.up_to)
        return end if self.above is None else max(end - self.above, ZERO)

    def rise(self, before: Decimal, now: Decimal) -> int:
        """Return whether the tier is entered (1), left again (-1), or neither."""
        return int(now > self.above) - int(before > self.above)


def _tiers(price: dict) -> list[Tier]:
    unit = {
        "per_unit": "unit_amount",
        "package": "package_amount",
        "credits": "credit_amount",
        "dynamic": "multiplier",
        "percentage": "percent",
        "seat": None if "tiers" in price else "unit_amount",
    }.get(price["model"])
    steps = price["tiers"] if unit is None else [{"unit_amount": price.get(unit, "1")}]
    tiers: list[Tier] = []
    for step in steps:
        above = tiers[-1].up_to if tiers else None
        up_to = None if step.get("up_to") is None else number(step["up_to"])
        amount = number(step.get("unit_amount")) + number(step.get("percent")) / 100
        if price["model"] == "percentage":
            amount /= 100
        tiers.append(Tier(above, up_to, amount, number(step.get("flat_amount"))))
    return tiers


def _bounds(price: dict) -> tuple:
    """Return what parts must have alike, for their tiers or packages to run on."""
    bounds = [number(tier["up_to"]) for tier in price.get("tiers", []) if tier.get("up_to")]
    size, rounding = number(price.get("package_size")), price.get("rounding", "up")
    return price["model"], tuple(bounds), size, rounding


def _counted(price: dict, quantity: Decimal) -> Decimal:
    """Return what a price counts: units, or packages."""
    if price["model"] != "package":
        return quantity
    return rounded(quantity / number(price["package_size"]), 0, price.get("rounding", "up"))


def _of_records(parts: Sequence[Part], position: int) -> Decimal:
    """Return what records cost besides: a fixed amount each, and what bounds of a record change."""
    part = parts[position]
    if part.price["model"] != "percentage":
        return ZERO
    fixed = number(part.price.get("fixed_amount"))
    if not part.price.keys() & {"free_records", "free_amount", "min_amount", "max_amount"}:
        return fixed * len(part.records)
    seen, carried = 0, ZERO
    cost = ZERO
    for n, other in enumerate(parts[: position + 1]):
        for record in other.records:
            priced = _record(other.price, record.value, seen, carried)
            if record.value >= 0:
                if seen >= int(other.price.get("free_records", 0)):
                    carried += record.value
                seen += 1
            if n == position:
                cost += priced
    return cost - part.billable * number(part.price["percent"]) / 100


def _record(price: dict, value: Decimal, seen: int, carried: Decimal) -> Decimal:
    """Return what one record costs, after some others of the period that carried an amount."""
    percent = number(price["percent"]) / 100
    most = None if price.get("max_amount") is None else number(price["max_amount"])
    if value < 0:
        return value * percent if most is None else max(value * percent, -most)
    if seen < int(price.get("free_records", 0)):
        return ZERO
    free = number(price.get("free_amount"))
    if free and carried + value <= free:
        return ZERO
    free = max(ZERO, free - carried)
    cost = (value - free) * percent + number(price.get("fixed_amount"))
    cost = max(cost, number(price.get("min_amount")))
    return cost if most is None else min(cost, most)
