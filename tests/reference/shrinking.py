"""Smaller variants of a case: whatever may be left out of it is left out, one thing at a time."""

import json
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from itertools import islice
from typing import Any

from tests.reference.comparison import Difference
from tests.reference.drawn_customers import Case

Path = tuple[str | int, ...]
# So many variants are rated at once, and so often the smallest that differs is shrunk further.
VARIANTS = 400
ROUNDS = 15


def smallest(
    difference: Difference, compare: Callable[[Sequence[Case]], list[Difference]]
) -> Difference:
    """Return the smallest variant found that still differs in the same way."""
    for _ in range(ROUNDS):
        variants = [
            _renamed(variant, f"s{number:05}")
            for number, variant in enumerate(islice(_variants(difference.case), VARIANTS))
        ]
        differing = [
            found for found in compare(variants) if found.signature == difference.signature
        ]
        if not differing:
            break
        difference = differing[0]
    return difference


def _variants(case: Case) -> Iterator[Case]:
    """Yield a case without halves of its lists, then without single entries and keys."""
    for half in (slice(None, None, 2), slice(1, None, 2)):
        if len(case.records) > 1:
            yield Case(case.customer_id, case.catalog, case.records[half])
    for position in range(len(case.records)):
        records = case.records[:position] + case.records[position + 1 :]
        yield Case(case.customer_id, case.catalog, records)
    for path in _paths(case.catalog):
        catalog = deepcopy(case.catalog)
        holder = catalog
        for step in path[:-1]:
            holder = holder[step]
        del holder[path[-1]]
        yield Case(case.customer_id, catalog, case.records)


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the way to everything within a catalog, what holds much first."""
    items = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for key, _ in items:
        yield (*path, key)
    for key, item in items:
        if isinstance(item, dict | list):
            yield from _paths(item, (*path, key))


def _renamed(case: Case, customer_id: str) -> Case:
    text = json.dumps([case.catalog, case.records]).replace(case.customer_id, customer_id)
    catalog, records = json.loads(text)
    return Case(customer_id, catalog, records)
