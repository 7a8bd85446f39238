"""The keys and choices that a catalog may have, and those that some entries do have."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, get_args, get_origin

from models.dimensions import OPTIONS, Dimension
from models.entries import Entry
from models.prices import Plan
from models.unsupported import unsupported

# What an aggregation cannot be without.
NEEDED = {"count_distinct": {"distinct_on": "key"}, "percentile": {"percentile": "95"}}


class Key(NamedTuple):
    """A key of a kind of entry, or one of the values between which it lets choose."""

    kind: str
    key: str
    choice: str | None = None


def offered(kind: type[Entry]) -> set[Key]:
    """Return the keys and choices of a kind of entry and of all below it, less the defaults."""
    keys: set[Key] = set()
    for name, field in kind.model_fields.items():
        key = Key(kind.__name__, field.alias or name)
        choices = [choice for choice in _choices(field.annotation) if choice != field.default]
        keys |= {key._replace(choice=choice) for choice in choices}
        keys.add(key)
        for below in _entries(field.annotation):
            keys |= offered(below)
    return keys


def refused() -> set[Key]:
    """Return the keys and choices that validation does not let through yet."""
    aggregations = {
        choice
        for choice in _choices(Dimension.model_fields["aggregation"].annotation)
        if _is_refused(dimensions=[_dimension(choice)])
    }
    keys = {Key("Dimension", "aggregation", choice) for choice in aggregations}
    keys |= {Key("Dimension", key) for key, of in OPTIONS.items() if aggregations.issuperset(of)}
    if _is_refused(plans=[_plan_of_seats_in_advance()]):
        keys |= {Key("SeatPrice", "timing"), Key("SeatPrice", "timing", "advance")}
    return keys


def written(value: Any) -> Iterator[Key]:
    """Yield the keys that entries were given, and what was chosen."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for one in value:
            yield from written(one)
    if not isinstance(value, Entry):
        return
    for name in value.model_fields_set:
        field, given = type(value).model_fields[name], getattr(value, name)
        key = Key(type(value).__name__, field.alias or name)
        yield key
        if given in list(_choices(field.annotation)):
            yield key._replace(choice=given)
        yield from written(given)


def _choices(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)


def _entries(annotation: Any) -> Iterator[type[Entry]]:
    if isinstance(annotation, type) and issubclass(annotation, Entry):
        yield annotation
    else:
        for below in get_args(annotation):
            yield from _entries(below)


def _is_refused(**entries: Iterable[Entry]) -> bool:
    return any(unsupported({"dimensions": (), "plans": (), "customers": (), **entries}))


def _dimension(aggregation: str) -> Dimension:
    options = NEEDED.get(aggregation, {})
    return Dimension.model_validate({"id": "any", "aggregation": aggregation, **options})


def _plan_of_seats_in_advance() -> Plan:
    price = {"model": "seat", "unit_amount": "1", "timing": "advance"}
    charge = {"id": "seats", "dimension": "seats", "price": price}
    return Plan.model_validate({"id": "any", "currency": "USD", "charges": [charge]})
