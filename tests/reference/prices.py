"""What a quantity costs, by price model."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from tests.reference.numbers import ZERO, exact, number, rounded


@dataclass(frozen=True)
class Share:
    """The days of a part, of those of its period; what adds up has a quantity of its own in it."""

    days: int
    of_days: int
    is_level: bool

    def owed(self, by_units: Decimal, by_days: Decimal) -> Decimal:
        """Return an amount: flat amounts and levels are due for the days of the part."""
        if self.is_level:
            return exact((by_units + by_days) * self.days / self.of_days)
        return exact(by_units + by_days * self.days / self.of_days)


def amount_of(price: dict, quantity: Decimal, share: Share) -> Decimal:
    """Return the exact amount: the sum of what each tier contributes."""
    return sum(SLICES[price["model"]](price, quantity, share), ZERO)


def per_unit(price: dict, quantity: Decimal, share: Share) -> Iterator[Decimal]:
    yield share.owed(quantity * number(price["unit_amount"]), ZERO)


def package(price: dict, quantity: Decimal, share: Share) -> Iterator[Decimal]:
    packages = rounded(quantity / number(price["package_size"]), 0, price.get("rounding", "up"))
    yield share.owed(packages * number(price["package_amount"]), ZERO)


def graduated(price: dict, quantity: Decimal, share: Share) -> Iterator[Decimal]:
    bound = ZERO
    for tier in price["tiers"]:
        # The first tier holds what was taken back, and its flat amount is due at zero.
        if bound and quantity <= bound:
            return
        up_to = quantity if tier.get("up_to") is None else min(quantity, number(tier["up_to"]))
        units = (up_to - bound) * number(tier.get("unit_amount"))
        yield share.owed(units, number(tier.get("flat_amount")))
        bound = up_to if tier.get("up_to") is None else number(tier["up_to"])


def volume(price: dict, quantity: Decimal, share: Share) -> Iterator[Decimal]:
    tier = next(
        tier
        for tier in price["tiers"]
        if tier.get("up_to") is None or quantity <= number(tier["up_to"])
    )
    yield share.owed(quantity * number(tier.get("unit_amount")), number(tier.get("flat_amount")))


SLICES: dict[str, Callable[[dict, Decimal, Share], Iterator[Decimal]]] = {
    "per_unit": per_unit,
    "package": package,
    "graduated": graduated,
    "volume": volume,
}
