"""The reference pages name every key that a user may write."""

import re
from pathlib import Path

import pytest

from assets.ingestion.refused import REASONS
from models import (
    contracts,
    currency_rates,
    dimensions,
    manual_invoices,
    price_models,
    prices,
    settings,
    taxes,
)
from models.catalog import KINDS
from models.delivered import Reason
from models.entries import Entry

PAGES = Path(__file__).parents[2] / "docs" / "reference"


def entries_of(module: object) -> list[type[Entry]]:
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type)]
    return [kind for kind in kinds if issubclass(kind, Entry) and kind is not Entry]


CATALOG_ENTRIES = {
    kind
    for module in (
        contracts,
        currency_rates,
        dimensions,
        manual_invoices,
        price_models,
        prices,
        taxes,
    )
    for kind in entries_of(module)
}
SETTINGS_ENTRIES = set(entries_of(settings))


def names_in(page: str) -> set[str]:
    quoted = re.findall(r"`([^`]*)`", (PAGES / page).read_text())
    return {name for text in quoted for name in re.findall(r"[a-z_]+", text)}


@pytest.mark.parametrize("kind", sorted(CATALOG_ENTRIES, key=lambda kind: kind.__name__))
def test_the_page_of_the_catalog_names_every_key(kind: type[Entry]) -> None:
    assert set(kind.keys()) - names_in("catalog.md") == set()


@pytest.mark.parametrize("kind", sorted(SETTINGS_ENTRIES, key=lambda kind: kind.__name__))
def test_the_page_of_the_settings_names_every_key(kind: type[Entry]) -> None:
    assert set(kind.keys()) - names_in("meterhouse-yml.md") == set()


def test_the_page_of_the_quarantine_names_every_reason() -> None:
    page = (PAGES.parent / "operating" / "quarantine.md").read_text()
    assert {*map(str, Reason), *REASONS} - set(re.findall(r"`([a-z_]+)`", page)) == set()


def test_the_page_of_the_catalog_names_every_kind() -> None:
    assert set(KINDS) - names_in("catalog.md") == set()
