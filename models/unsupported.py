"""What the catalog's files may say and no model rates yet: refused, so that nothing is left out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from models.price_models import Price, SeatPrice
from models.problems import Problem
from models.yaml_files import Place


def unsupported(entries: Mapping[str, Sequence[Any]]) -> Iterator[Problem]:
    """Yield a problem for everything that is not supported yet."""
    for plan in entries["plans"]:
        for charge in plan.charges:
            yield from _of_price(charge.price, charge.place.at("price"))
    for customer in entries["customers"]:
        for contract in customer.contracts:
            for override in contract.overrides:
                yield from _of_price(override.price, override.place.at("price"))


def _of_price(price: Price, place: Place) -> Iterator[Problem]:
    if isinstance(price, SeatPrice) and price.timing == "advance":
        yield _refused(place.at("timing"), "advance")


def _refused(place: Place, what: str) -> Problem:
    return place.problem(f"{what} is not supported yet")
