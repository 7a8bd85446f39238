"""The catalog: what is sold to whom, read from all files of ``catalog/`` as one."""

import hashlib
import json
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import SkipJsonSchema

from models.catalog_references import References
from models.catalog_rules import broken_rules
from models.contracts import Contract, Customer
from models.currency_rates import CurrencyRate
from models.customer_tree import CustomerTree
from models.defaults import Defaults
from models.dimensions import CostRule, Dimension
from models.entries import Entry, read_entry
from models.prices import Plan
from models.problems import ConfigurationError, Problem, did_you_mean, listed
from models.replacements import with_replacements
from models.taxes import Tax
from models.workspace import Workspace
from models.yaml_files import Document, LocatedMapping, Place, read_yaml

KINDS: dict[str, type[Entry]] = {
    "dimensions": Dimension,
    "plans": Plan,
    "customers": Customer,
    "cost_rules": CostRule,
    "taxes": Tax,
    "currency_rates": CurrencyRate,
}
SUFFIXES = {".yml", ".yaml"}
Contents = tuple[tuple[Path, str], ...]


class Catalog(BaseModel):
    """Every entry of the catalog's files; entries are sorted by id, cost rules as written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dimensions: tuple[Dimension, ...] = ()
    plans: tuple[Plan, ...] = ()
    customers: tuple[Customer, ...] = ()
    cost_rules: tuple[CostRule, ...] = ()
    taxes: tuple[Tax, ...] = ()
    currency_rates: tuple[CurrencyRate, ...] = ()
    # Not of these files: the company's currency, in which rates are.
    reporting_currency: SkipJsonSchema[str] = "USD"

    def content(self) -> dict[str, Any]:
        """Return what the catalog says, as plain values; a default is as good as silence."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    @cached_property
    def contracts(self) -> dict[str, Contract]:
        """The contracts of all customers, by id."""
        return {
            contract.id: contract for customer in self.customers for contract in customer.contracts
        }

    @cached_property
    def version(self) -> str:
        """A hash of the content: the same however it is split, ordered and commented."""
        canonical = json.dumps(self.content(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def load_catalog(
    directory: Path,
    *,
    default_timezone: str = "UTC",
    default_currency: str = "USD",
    default_stripe_tax: bool = False,
) -> Catalog:
    """Return the catalog of a workspace's catalog folder.

    All that is wrong with any of its files is one ``ConfigurationError``. The defaults are those
    of ``meterhouse.yml``, for customers who do not say theirs. Files that say what they said
    when last asked for are not read again.
    """
    contents = tuple((file, _digest(file)) for file in _files(directory))
    return _loaded(
        directory, contents, Defaults(default_timezone, default_currency, default_stripe_tax)
    )


@lru_cache(maxsize=2)
def _loaded(directory: Path, _contents: Contents, defaults: Defaults) -> Catalog:
    problems: list[Problem] = []
    entries: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    references = References()
    for document in _documents(directory, problems):
        problems += document.problems
        _read_document(document, entries, references, problems)
    problems += references.unknown()
    plans = {plan.id: plan for plan in entries["plans"]}
    entries["customers"] = [
        with_replacements(customer, plans, problems) for customer in entries["customers"]
    ]
    problems += broken_rules(entries, defaults)
    if problems:
        raise ConfigurationError(problems)
    return _assembled(entries, defaults)


def catalog_of(workspace: Workspace, directory: Path | None = None) -> Catalog:
    """Return a workspace's catalog, with the time zone, currency and tax of its settings.

    Of another folder, where one is given, as if it were the workspace's.
    """
    stripe = workspace.settings.stripe
    return load_catalog(
        directory or workspace.catalog_directory,
        default_timezone=workspace.settings.timezone,
        default_currency=workspace.settings.currency,
        default_stripe_tax=stripe is not None and stripe.automatic_tax,
    )


def catalog_json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a catalog file, for editors."""
    schema = Catalog.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Meterhouse catalog"
    schema["description"] = "One file of a workspace's catalog folder."
    return schema


def _documents(directory: Path, problems: list[Problem]) -> list[Document]:
    folder = directory.name
    if not directory.is_dir():
        message = f"there is no folder {directory}; meterhouse init DIR writes one to begin with"
        problems.append(Problem(folder, None, "", message))
        return []
    files = _files(directory)
    if not files:
        problems.append(Problem(folder, None, "", f"there are no .yml files in {directory}"))
    return [read_yaml(file, f"{folder}/{file.relative_to(directory)}") for file in files]


def _files(directory: Path) -> list[Path]:
    return sorted(
        path
        for path in directory.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        # Told as a problem of this file when it is read.
        return str(error)


def _read_document(
    document: Document,
    entries: dict[str, list[Any]],
    references: References,
    problems: list[Problem],
) -> None:
    if document.value is None:
        references.add_unreadable(document.unreadable)
        return
    if not isinstance(document.value, LocatedMapping):
        references.add_unreadable(str(document.value))
        message = f"expected the keys {listed(KINDS)}, each with a list"
        problems.append(document.place.problem(message))
        return
    for key, items in document.value.items():
        place = document.place.at(key)
        if key not in KINDS:
            references.add_unreadable(str(items))
            hint = did_you_mean(key, KINDS) or f"; known are {listed(KINDS)}"
            problems.append(place.problem(f"{key} is not a known key{hint}"))
        elif items is not None and not isinstance(items, list):
            references.add_unreadable(str(items))
            problems.append(place.problem("expected a list: begin each entry with a dash"))
        else:
            _read_items(key, items or [], place, entries, references, problems)


def _read_items(
    kind: str,
    items: list[Any],
    place: Place,
    entries: dict[str, list[Any]],
    references: References,
    problems: list[Problem],
) -> None:
    for number, item in enumerate(items):
        references.add(kind, item)
        entry = read_entry(KINDS[kind], item, place.at(number), problems)
        if entry is not None:
            entries[kind].append(entry)


def _assembled(entries: dict[str, list[Any]], defaults: Defaults) -> Catalog:
    plans = {plan.id: plan for plan in entries["plans"]}
    tree = CustomerTree(entries["customers"])

    def completed(customer: Customer) -> Customer:
        return customer.model_copy(
            update={
                "timezone": customer.timezone or defaults.timezone,
                # A payer's currency is that of all it pays for.
                "currency": defaults.currency_of(tree.payer(customer), plans),
                # Who is not taxed by Stripe is as if nothing had been said.
                "stripe_tax": defaults.leaves_taxes_to_stripe(customer) or None,
                "invoices": tuple(sorted(customer.invoices, key=lambda invoice: invoice.id)),
            }
        )

    def by_id(kind: str) -> tuple[Any, ...]:
        return tuple(sorted(entries[kind], key=lambda entry: entry.id))

    return Catalog(
        dimensions=by_id("dimensions"),
        plans=by_id("plans"),
        customers=tuple(completed(customer) for customer in by_id("customers")),
        cost_rules=tuple(entries["cost_rules"]),
        taxes=tuple(sorted(entries["taxes"], key=lambda tax: (tax.id, tax.valid_from or date.min))),
        currency_rates=tuple(
            sorted(entries["currency_rates"], key=lambda rate: (rate.currency, rate.valid_from))
        ),
        reporting_currency=defaults.currency,
    )
