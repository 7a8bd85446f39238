"""Taxes of a catalog: who is charged which, and what is refused."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from models.catalog import Catalog, load_catalog
from models.catalog_rows import catalog_rows
from models.problems import ConfigurationError

PLANS = """\
plans:
  - id: p
    currency: EUR
    charges:
      - {id: books, price: {model: flat, amount: "10"}}
      - {id: hosting, price: {model: flat, amount: "5"}}
"""


def catalog_of(folder: Path, text: str, **defaults: Any) -> Catalog:
    (folder / "all.yml").write_text(PLANS + text)
    return load_catalog(folder, **defaults)


def problems_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        catalog_of(folder, text)
    return [f"{problem.path}: {problem.message}" for problem in caught.value.problems]


def rows_of(catalog: Catalog, table: str) -> list[tuple[Any, ...]]:
    return [
        tuple(value for key, value in row.items() if key != "catalog_version")
        for found, rows in catalog_rows(catalog)
        for row in rows
        if found.name == table
    ]


def test_a_rate_that_changes_is_two_entries_numbered_by_time(tmp_path: Path) -> None:
    catalog = catalog_of(
        tmp_path,
        """\
taxes:
  - {id: vat, name: VAT, percent: "16", country: DE, from: 2026-07-01, to: 2027-01-01}
  - {id: vat, name: VAT, percent: "19", country: DE, to: 2026-07-01, inclusive: true}
  - {id: books, percent: 7, charges: [books, books]}
  - {id: city, percent: 2, except_charges: [books]}
""",
    )
    change, end = date(2026, 7, 1), date(2027, 1, 1)
    assert rows_of(catalog, "tax_rates") == [
        ("books", 1, "books", Decimal(7), None, None, None, False, "only"),
        ("city", 1, "city", Decimal(2), None, None, None, False, "except"),
        ("vat", 1, "VAT", Decimal(19), None, change, "DE", True, "all"),
        ("vat", 2, "VAT", Decimal(16), change, end, "DE", False, "all"),
    ]
    assert rows_of(catalog, "tax_rate_charges") == [("books", 1, "books"), ("city", 1, "books")]


def test_a_customers_taxes_are_its_own_or_those_of_its_country(tmp_path: Path) -> None:
    catalog = catalog_of(
        tmp_path,
        """\
taxes:
  - {id: vat, percent: 19, country: DE, to: 2026-07-01}
  - {id: vat, percent: 16, country: DE, from: 2026-07-01}
  - {id: alcohol, percent: 5, country: DE}
  - {id: gst, percent: 5, country: CA}
  - {id: named, percent: 1}
customers:
  - {id: by_country, country: DE}
  - {id: by_name, country: DE, tax: named}
  - {id: in_order, tax: [named, gst]}
  - {id: nobody, country: DE, tax: []}
  - {id: elsewhere, country: FR}
""",
    )
    assert rows_of(catalog, "customer_taxes") == [
        ("by_country", "alcohol", 1),
        ("by_country", "vat", 2),
        ("by_name", "named", 1),
        ("in_order", "named", 1),
        ("in_order", "gst", 2),
    ]


def test_one_tax_is_as_good_as_a_list_of_one(tmp_path: Path) -> None:
    alone = catalog_of(tmp_path, "taxes: [{id: t, percent: 1}]\ncustomers: [{id: c, tax: t}]")
    listed = catalog_of(tmp_path, "taxes: [{id: t, percent: 1}]\ncustomers: [{id: c, tax: [t]}]")
    assert alone.version == listed.version
    assert alone.content()["customers"][0]["tax"] == "t"


@pytest.mark.parametrize(
    ("setting", "is_taxed_by_stripe"),
    [(False, [("default", False), ("names", False), ("no", False), ("yes", True)]),
     (True, [("default", True), ("names", False), ("no", False), ("yes", True)])],
)  # fmt: skip
def test_stripe_taxes_whom_the_customer_or_else_the_setting_says(
    tmp_path: Path, *, setting: bool, is_taxed_by_stripe: list[tuple[str, bool]]
) -> None:
    catalog = catalog_of(
        tmp_path,
        'customers: [{id: default}, {id: "yes", stripe_tax: true}, {id: "no", stripe_tax: false}, '
        "{id: names, tax: []}]",
        default_stripe_tax=setting,
    )
    customers = {row[0]: row for row in rows_of(catalog, "customers")}
    assert [(name, row[-1]) for name, row in customers.items()] == is_taxed_by_stripe


def test_the_setting_changes_the_version_only_where_it_changes_who_is_taxed(tmp_path: Path) -> None:
    text = "customers: [{id: c, stripe_tax: false}]"
    assert (
        catalog_of(tmp_path, text).version
        == catalog_of(tmp_path, text, default_stripe_tax=True).version
        == catalog_of(tmp_path, "customers: [{id: c}]").version
        != catalog_of(tmp_path, "customers: [{id: c}]", default_stripe_tax=True).version
    )


@pytest.mark.parametrize(
    ("entries", "problems"),
    [
        (
            "{id: vat, percent: 19, to: 2026-07-02}\n  - {id: vat, percent: 16, from: 2026-07-01}",
            [
                "taxes[1]: two rates of the tax vat hold on the same day; the other one is in "
                "FOLDER/all.yml:8. A rate that changes ends with to, on the day the next one begins"
            ],
        ),
        (
            "{id: vat, percent: 19}\n  - {id: vat, percent: 16, from: 2026-07-01}",
            [
                "taxes[1]: two rates of the tax vat hold on the same day; the other one is in "
                "FOLDER/all.yml:8. A rate that changes ends with to, on the day the next one begins"
            ],
        ),
        (
            "{id: vat, percent: 19, country: DE, to: 2026-07-01}\n"
            "  - {id: vat, percent: 16, country: FR, from: 2026-07-01}",
            [
                "taxes[1].country: the tax vat is of another country in FOLDER/all.yml:8; "
                "one tax, one country"
            ],
        ),
        (
            "{id: vat, percent: 19, charges: [boks, hosting]}",
            [
                "taxes[0].charges[0]: there is no charge in any plan called boks; "
                "did you mean books?"
            ],
        ),
        (
            "{id: vat, percent: 19, except_charges: [boks]}",
            [
                "taxes[0].except_charges[0]: there is no charge in any plan called boks; "
                "did you mean books?"
            ],
        ),
        (
            "{id: vat, percent: 19, charges: [books], except_charges: [hosting]}",
            ["taxes[0]: expected charges or except_charges, not both"],
        ),
        (
            "{id: vat, percent: 19, charges: []}",
            ["taxes[0]: names no charge: leave the list out for a tax on all charges"],
        ),
        (
            "{id: vat, percent: 101}",
            ["taxes[0].percent: 101 is not a percentage from 0 to 100"],
        ),
        (
            "{id: vat, percent: 19, from: 2026-07-01, to: 2026-07-01}",
            [
                "taxes[0]: ends on 2026-07-01, which is not after it begins on 2026-07-01; the day "
                "in to is the first one on which it no longer holds"
            ],
        ),
    ],
)
def test_rates_that_cannot_be_are_refused(
    tmp_path: Path, entries: str, problems: list[str]
) -> None:
    expected = [problem.replace("FOLDER", tmp_path.name) for problem in problems]
    assert problems_of(tmp_path, f"taxes:\n  - {entries}\n") == expected


@pytest.mark.parametrize(
    ("tax", "problems"),
    [
        ("vt", ["customers[0].tax: there is no tax vt; did you mean vat?"]),
        ("[vat, vt]", ["customers[0].tax[1]: there is no tax vt; did you mean vat?"]),
        ("[vat, vat]", ["customers[0].tax: vat stands twice"]),
        ("{id: vat}", ["customers[0].tax: expected text, not a mapping"]),
        ("vat, stripe_tax: true", ["customers[0]: expected tax or stripe_tax: true, not both"]),
    ],
)
def test_taxes_that_a_customer_cannot_have_are_refused(
    tmp_path: Path, tax: str, problems: list[str]
) -> None:
    text = f"taxes: [{{id: vat, percent: 19}}]\ncustomers: [{{id: c, tax: {tax}}}]\n"
    assert problems_of(tmp_path, text) == problems


WALLETS = """\
taxes:
  - {id: books, percent: 7, %s: [books], country: DE}
customers:
  - id: payer
    currency: EUR
    %s
  - id: c
    parent: payer
    bill_to: parent
    contracts:
      - id: c
        plan: p
        start: 2026-01-01
        wallets: [{id: w, automatic: {below: 1, amount: 5}, %s}]
"""


@pytest.mark.parametrize("scope", ["charges", "except_charges"])
@pytest.mark.parametrize("pays", ["", "applies_to: [books, hosting]"])
def test_no_wallet_is_for_charges_that_are_taxed_in_different_ways(
    tmp_path: Path, scope: str, pays: str
) -> None:
    [problem] = problems_of(tmp_path, WALLETS % (scope, "tax: books", pays))
    assert problem.startswith("customers[1].contracts[0].wallets[0]: w may pay books, and the tax ")
    [by_country] = problems_of(tmp_path, WALLETS % (scope, "country: DE", pays))
    assert by_country == problem


def test_a_wallet_for_charges_that_are_taxed_alike_is_accepted(tmp_path: Path) -> None:
    for scope in ("charges", "except_charges"):
        catalog_of(tmp_path, WALLETS % (scope, "tax: books", "applies_to: [hosting]"))
        catalog_of(tmp_path, WALLETS % (scope, "tax: []", ""))
        catalog_of(tmp_path, WALLETS % (scope, "tax: books\n    tax_exempt: reverse", ""))
        catalog_of(tmp_path, WALLETS % (scope, "country: DE", ""), default_stripe_tax=True)
