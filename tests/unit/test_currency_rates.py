"""Rates of currencies: what is refused, and what becomes of them."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from models.catalog import Catalog, catalog_json_schema, load_catalog
from models.catalog_rows import catalog_rows
from models.problems import ConfigurationError
from tests.unit.catalog_files import write

EUR = '{currency: EUR, from: 2026-01-01, rate: "1.05"}'


def rates(folder: Path, *entries: str, currency: str = "USD") -> Catalog:
    text = f"currency_rates: [{', '.join(entries)}]\n"
    return load_catalog(write(folder, {"rates": text}), default_currency=currency)


def rows(catalog: Catalog) -> list[tuple[str, date, Decimal, str]]:
    found = {table.name: rows for table, rows in catalog_rows(catalog)}["currency_rates"]
    return [
        (row["currency"], row["valid_from"], row["rate"], row["reporting_currency"])
        for row in found
    ]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([EUR, EUR], r"rates\.yml:1: currency_rates\[1\]: two rates of EUR begin on 2026-01-01"),
        ([EUR.replace("EUR", "USD")], r"\[0\]\.currency: USD is the company's own currency"),
        ([EUR.replace('"1.05"', "0")], r"\[0\]\.rate: must be more than 0"),
        ([EUR.replace("1.05", "0.1234567891")], "at most 9 digits before the point and 9 after it"),
        (["{currency: EUR, rate: 1}"], r"\[0\]\.from: is missing"),
        ([EUR.replace("EUR", "ECU")], "is not a currency of ISO 4217"),
    ],
)
def test_a_rate_that_cannot_be_is_refused(tmp_path: Path, entries: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        rates(tmp_path, *entries)


def test_the_companys_own_currency_is_worth_itself(tmp_path: Path) -> None:
    own = ("CHF", date.min, Decimal(1), "CHF")
    assert rows(rates(tmp_path, currency="CHF")) == [own]
    later = '{currency: EUR, from: 2026-02-15, rate: "0.95"}'
    assert rows(rates(tmp_path, later, EUR, currency="CHF")) == [
        own,
        ("EUR", date(2026, 1, 1), Decimal("1.05"), "CHF"),
        ("EUR", date(2026, 2, 15), Decimal("0.95"), "CHF"),
    ]


def test_another_currency_of_the_company_is_another_version(tmp_path: Path) -> None:
    assert rates(tmp_path, EUR).version != rates(tmp_path, EUR, currency="CHF").version


def test_no_file_of_the_catalog_says_what_the_companys_currency_is(tmp_path: Path) -> None:
    assert "currency_rates" in catalog_json_schema()["properties"]
    assert "reporting_currency" not in catalog_json_schema()["properties"]
    with pytest.raises(ConfigurationError, match="reporting_currency is not a known key"):
        load_catalog(write(tmp_path, {"rates": "reporting_currency: CHF\n"}))
