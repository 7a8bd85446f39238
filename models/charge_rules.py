"""Rules between a charge, its price and its dimension, and between the charges of a plan."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import combinations

from models.contracts import Customer
from models.dimensions import Dimension
from models.fields import plain
from models.money import decimals_of, minor_units
from models.price_models import (
    CapacityPrice,
    CreditsPrice,
    DynamicPrice,
    GraduatedPercentagePrice,
    GraduatedPrice,
    MatrixPrice,
    PackagePrice,
    PercentagePrice,
    Price,
    SeatPrice,
    StairstepPrice,
    VolumePrice,
)
from models.prices import Charge, Plan
from models.problems import Problem, listed
from models.yaml_files import Place

STEPPED = (
    PackagePrice,
    GraduatedPrice,
    VolumePrice,
    StairstepPrice,
    GraduatedPercentagePrice,
)
ADDING_UP = ("sum", "count", "time_weighted")
MONEY = (PercentagePrice, GraduatedPercentagePrice, DynamicPrice)
NOT_BY_BUCKET = ("count_distinct", "time_weighted", "percentile")


def plan_rules(plan: Plan, dimensions: Mapping[str, Dimension]) -> Iterator[Problem]:
    """Yield a problem for every rule that the charges of a plan break."""
    for charge in plan.charges:
        dimension = dimensions.get(charge.dimension or "")
        yield from _tiers_that_span(charge, dimension)
        yield from _buckets(charge, dimension)
        yield from _groups(charge, dimension)
        yield from _bounds(charge, plan)
        yield from price_rules(charge, charge.price, charge.place, dimension)
    for first, second in combinations(plan.charges, 2):
        shared = shared_dimensions(first, second)
        if shared:
            key = "price" if isinstance(second.price, CapacityPrice) else "dimension"
            yield second.place.at(key).problem(
                f"the charge {first.id} of this plan prices {', '.join(shared)} already, in "
                f"{first.place}; two charges may price one dimension only if their where "
                "exclude each other: a key that both have, and no value of it that both have"
            )


def override_rules(
    customer: Customer, plans: Mapping[str, Plan], dimensions: Mapping[str, Dimension]
) -> Iterator[Problem]:
    """Yield a problem for every override whose price its charge cannot have."""
    for contract in customer.contracts:
        plan = plans.get(contract.plan)
        for override in contract.overrides:
            charge = plan.charge(override.charge) if plan else None
            if charge is not None:
                dimension = dimensions.get(charge.dimension or "")
                yield from price_rules(charge, override.price, override.place, dimension)


def shared_dimensions(first: Charge, second: Charge) -> list[str]:
    """Return the dimensions of which a record may be billed by both of two charges."""
    if first.place.is_partial or second.place.is_partial:
        return []
    one, other = first.where or {}, second.where or {}
    if any(not set(one[key]) & set(other[key]) for key in one.keys() & other.keys()):
        return []
    return sorted({*first.dimensions} & {*second.dimensions})


def price_rules(
    charge: Charge, price: Price, place: Place, dimension: Dimension | None
) -> Iterator[Problem]:
    """Yield what a price, the charge's own or an override's, has against the charge.

    The place is that of the charge or the override, below which the price stands.
    """
    if isinstance(price, MatrixPrice) and charge.included:
        yield place.at("price").problem(
            f"the charge {charge.id} has included units, and a matrix does not say at which of "
            "its prices they are free; give them a charge or a credit of their own"
        )
    if isinstance(price, MONEY) and dimension is not None and dimension.aggregation != "sum":
        yield place.at("price").problem(
            f"a price of the model {price.model} takes values as money, and the dimension "
            f"{dimension.id} has the aggregation {dimension.aggregation}; expected sum"
        )
    elif isinstance(price, PercentagePrice):
        yield from _record_options(charge, price, place)
    yield from _other_capacities(charge, price, place)
    if isinstance(price, SeatPrice):
        yield from _seats(charge, price, place, dimension)
    yield from _matches_without_usage(charge, price, place)
    if charge.bucket is not None and charge.bucket.then == "price":
        yield from _priced_buckets(charge, price, place)


def _priced_buckets(charge: Charge, price: Price, place: Place) -> Iterator[Problem]:
    if not isinstance(price, STEPPED):
        yield place.at("price").problem(
            f"a price of the model {price.model} has no tiers or packages that each bucket could "
            "run through: write then: sum"
        )
    if charge.included:
        yield place.at("price").problem(
            f"the charge {charge.id} has units included in a period, and each of its buckets is "
            "priced for itself: leave out included, and write a first tier that costs nothing"
        )


def _record_options(charge: Charge, price: PercentagePrice, place: Place) -> Iterator[Problem]:
    options = price.record_options()
    place = place.at("price", *options[:1])
    if options and charge.bucket is not None:
        yield place.problem(f"{options[0]} is asked of each record, and the charge has a bucket")
    elif charge.included and price.record_options(but=["fixed_amount"]):
        yield place.problem(
            f"the charge {charge.id} has included units, which do not say of which records they "
            "are; write free_amount instead"
        )


def _other_capacities(charge: Charge, price: Price, place: Place) -> Iterator[Problem]:
    limited = {*price.dimensions} if isinstance(price, CapacityPrice) else set()
    expected = {*charge.dimensions} if isinstance(charge.price, CapacityPrice) else set()
    if limited and not expected:
        yield place.at("price").problem(f"the charge {charge.id} is no capacity")
    elif limited != expected:
        yield place.at("price").problem(
            f"the charge {charge.id} is a capacity of {', '.join(sorted(expected))}; expected a "
            "price of the model capacity that limits the same dimensions"
        )


def _seats(
    charge: Charge, price: SeatPrice, place: Place, dimension: Dimension | None
) -> Iterator[Problem]:
    if dimension is not None and dimension.aggregation != "latest":
        yield place.at("price").problem(
            f"seats are what the latest record says, and the dimension {dimension.id} has the "
            f"aggregation {dimension.aggregation}; expected latest"
        )
    elif dimension is not None and price.timing == "advance" and not dimension.carry_over:
        yield place.at("price", "timing").problem(
            "a period that is paid in advance begins with the seats that are left, and those of "
            f"the dimension {dimension.id} are not carried over: give it carry_over: true"
        )
    if charge.bucket is not None:
        yield place.at("price").problem("seats are counted by day already: leave out the bucket")


def _matches_without_usage(charge: Charge, price: Price, place: Place) -> Iterator[Problem]:
    key_of_rates = "prices" if isinstance(price, MatrixPrice) else "rates"
    if not isinstance(price, MatrixPrice | CreditsPrice):
        return
    for number, (match, _) in enumerate(price.as_rates()):
        for key, value in match.items():
            values = (charge.where or {}).get(key)
            if values is not None and value not in values:
                yield place.at("price", key_of_rates, number, "match", key).problem(
                    f"{value} never holds: the charge bills usage where {key} is {listed(values)}"
                )


def _tiers_that_span(charge: Charge, dimension: Dimension | None) -> Iterator[Problem]:
    if charge.tiers_span == "part":
        return
    place = charge.place.at("tiers_span")
    if not isinstance(charge.price, STEPPED):
        yield place.problem(
            f"a price of the model {charge.price.model} has no tiers: leave out tiers_span"
        )
    elif not adds_up(charge, dimension):
        yield place.problem(
            "tiers run over a period where its parts add up: expected the aggregation sum, "
            "count or time_weighted, or a bucket with then: sum"
        )


def adds_up(charge: Charge, dimension: Dimension | None) -> bool:
    """Return whether the quantities of a charge's parts and periods add up; levels do not."""
    if charge.bucket is not None:
        return charge.bucket.then == "sum"
    return dimension is None or dimension.aggregation in ADDING_UP


def _buckets(charge: Charge, dimension: Dimension | None) -> Iterator[Problem]:
    if charge.bucket is None or dimension is None:
        return
    if dimension.aggregation in NOT_BY_BUCKET:
        yield charge.place.at("bucket").problem(
            f"the dimension {dimension.id} has the aggregation {dimension.aggregation}, which is "
            "not made of hours or days: leave out the bucket"
        )
    elif dimension.carry_over and not isinstance(charge.price, SeatPrice):
        yield charge.place.at("bucket").problem(
            f"a level of the dimension {dimension.id} is carried over, and buckets know only what "
            "is recorded in them; use the aggregation time_weighted, without a bucket"
        )


def _groups(charge: Charge, dimension: Dimension | None) -> Iterator[Problem]:
    if charge.group_by and dimension is not None and dimension.aggregation in NOT_BY_BUCKET:
        yield charge.place.at("group_by").problem(
            f"the dimension {dimension.id} has the aggregation {dimension.aggregation}, whose "
            "groups do not add up to the line: leave out group_by"
        )


def _bounds(charge: Charge, plan: Plan) -> Iterator[Problem]:
    for key in ("minimum", "maximum"):
        amount = getattr(charge, key)
        if amount is not None:
            yield from unpayable(charge.place.at(key), amount, plan.currency)


def unpayable(place: Place, amount: Decimal, currency: str) -> Iterator[Problem]:
    """Yield a problem if an amount cannot be paid in a currency, for its decimals."""
    decimals = minor_units(currency)
    if decimals_of(amount) > decimals:
        yield place.problem(
            f"{plain(amount)} has more decimals than {currency}, which has {decimals}"
        )
