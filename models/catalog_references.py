"""References between the entries of a catalog, checked on the files as they were written.

An entry that is wrong in another way still has its references checked, and may be referred to.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from models.problems import Problem, did_you_mean
from models.yaml_files import LocatedMapping, Place

WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")


class References:
    """The ids that a catalog's files define, and those that they refer to."""

    def __init__(self) -> None:
        self._ids: dict[str, set[str]] = {}
        self._charges: dict[str, set[str]] = {}
        self._possible: set[str] = set()
        self._entries: list[tuple[str, LocatedMapping]] = []

    def add(self, kind: str, entry: Any) -> None:
        """Note an entry, which may be wrong."""
        if not isinstance(entry, LocatedMapping):
            return
        self._entries.append((kind, entry))
        self._define(kind, entry.get("id"))
        if kind == "plans":
            charges = self._charges.setdefault(str(entry.get("id")), set())
            charges.update(str(charge.get("id")) for charge in _mappings(entry, "charges"))
        if kind == "customers":
            tenants = entry.get("tenants")
            for tenant in tenants if isinstance(tenants, list) else [entry.get("id")]:
                self._define("tenants", tenant)

    def add_unreadable(self, text: str) -> None:
        """Note a text that could not be read: any of its words may be the id of something."""
        self._possible.update(WORD.findall(text))

    def unknown(self) -> Iterator[Problem]:
        """Yield a problem for every reference to what no file defines."""
        for kind, entry in self._entries:
            if kind == "plans":
                for charge in _mappings(entry, "charges"):
                    yield from self._check(charge, "dimension", "dimension")
                    yield from self._check_limits(charge.get("price"))
            if kind == "customers":
                yield from self._check_customer(entry)
            if kind == "taxes":
                yield from self._check_taxed_charges(entry)
            if kind == "cost_rules":
                yield from self._check(entry, "dimension", "dimension")
                yield from self._check_weights(entry)

    def _check_customer(self, customer: LocatedMapping) -> Iterator[Problem]:
        yield from self._check_taxes(customer)
        known = self._ids.get("customers", set())
        yield from self._missing(
            customer.place.at("parent"), "customer", known, customer.get("parent")
        )
        for contract in _mappings(customer, "contracts"):
            yield from self._check(contract, "plan", "plan")
            yield from self._check_charges(contract)
        for invoice in _mappings(customer, "invoices"):
            for line in _mappings(invoice, "lines"):
                yield from self._check_taxes(line)

    def _define(self, kind: str, entry_id: Any) -> None:
        self._ids.setdefault(kind, set()).add(str(entry_id))

    def _check(self, entry: LocatedMapping, key: str, kind: str) -> Iterator[Problem]:
        kinds = {"dimension": "dimensions", "plan": "plans"}
        known = self._ids.get(kinds[kind], set())
        yield from self._missing(entry.place.at(key), kind, known, entry.get(key))

    def _check_limits(self, price: Any) -> Iterator[Problem]:
        known = self._ids.get("dimensions", set())
        for tier in _mappings(price, "tiers") if isinstance(price, LocatedMapping) else ():
            limits = tier.get("limits")
            if isinstance(limits, LocatedMapping):
                for dimension in limits:
                    place = limits.place.at(dimension)
                    yield from self._missing(place, "dimension", known, dimension)

    def _check_charges(self, contract: LocatedMapping) -> Iterator[Problem]:
        plan = str(contract.get("plan"))
        if plan not in self._charges:
            return
        known, kind = self._charges[plan], f"charge in the plan {plan} called"
        for override in _mappings(contract, "overrides"):
            place = override.place.at("charge")
            yield from self._missing(place, kind, known, override.get("charge"))
        allowance = contract.get("trial_allowance")
        for units in _mappings(allowance, "units") if isinstance(allowance, LocatedMapping) else ():
            place = units.place.at("charge")
            yield from self._missing(place, kind, known, units.get("charge"))
        for discount in _mappings(contract, "discounts"):
            yield from self._missing_of_list(discount, "charges", kind, known)
        for credit in (*_mappings(contract, "credits"), *_mappings(contract, "wallets")):
            yield from self._missing_of_list(credit, "applies_to", kind, known)

    def _check_taxes(self, entry: LocatedMapping) -> Iterator[Problem]:
        given, known = entry.get("tax"), self._ids.get("taxes", set())
        place = entry.place.at("tax")
        for number, tax in enumerate(given if isinstance(given, list) else [given]):
            yield from self._missing(
                place.at(number) if isinstance(given, list) else place, "tax", known, tax
            )

    def _check_taxed_charges(self, tax: LocatedMapping) -> Iterator[Problem]:
        known = set().union(*self._charges.values())
        for key in ("charges", "except_charges"):
            yield from self._missing_of_list(tax, key, "charge in any plan called", known)

    def _check_weights(self, rule: LocatedMapping) -> Iterator[Problem]:
        weights = rule.get("weights")
        if isinstance(weights, LocatedMapping):
            for tenant in weights:
                known = self._ids.get("tenants", set())
                yield from self._missing(weights.place.at(tenant), "tenant", known, tenant)

    def _missing_of_list(
        self, entry: LocatedMapping, key: str, kind: str, known: Iterable[str]
    ) -> Iterator[Problem]:
        given = entry.get(key)
        for number, item in enumerate(given if isinstance(given, list) else []):
            yield from self._missing(entry.place.at(key, number), kind, known, item)

    def _missing(
        self, place: Place, kind: str, known: Iterable[str], given: Any
    ) -> Iterator[Problem]:
        # What is not even a name is told where the entry itself is read.
        if not isinstance(given, str | int | date) or isinstance(given, bool):
            return
        known = set(known)
        if str(given) not in known and str(given) not in self._possible:
            yield place.problem(f"there is no {kind} {given}{did_you_mean(str(given), known)}")


def _mappings(entry: LocatedMapping, key: str) -> list[LocatedMapping]:
    value = entry.get(key)
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, LocatedMapping)]
