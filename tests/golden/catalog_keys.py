"""The keys and choices that a catalog may have, and those that some entries do have."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, get_args, get_origin

from models.entries import Entry


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
