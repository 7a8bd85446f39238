"""Parents and children: who pays, whose contracts hold, and what is refused."""

from pathlib import Path

import pytest

from models.catalog import Catalog, load_catalog
from models.catalog_rows import catalog_rows
from models.problems import ConfigurationError
from tests.unit.catalog_files import write

PLANS = """\
dimensions: [{id: calls, aggregation: sum}]
taxes: [{id: vat, percent: "19"}]
plans:
  - {id: euro, currency: EUR,
     charges: [{id: calls, dimension: calls, price: {model: per_unit, unit_amount: 1}}]}
  - {id: yen, currency: JPY,
     charges: [{id: calls, dimension: calls, price: {model: per_unit, unit_amount: 1}}]}
"""
HOLDING = "{id: holding, contracts: [{id: holding, plan: euro, start: 2026-01-01}]}"


def catalog(folder: Path, *customers: str, **settings: bool) -> Catalog:
    entries = "".join(f"  - {customer}\n" for customer in customers)
    return load_catalog(write(folder, {"all": f"{PLANS}customers:\n{entries}"}), **settings)


def test_a_chain_of_parents_ends_with_who_pays(tmp_path: Path) -> None:
    version = catalog(
        tmp_path,
        HOLDING,
        "{id: region, parent: holding, bill_to: parent}",
        "{id: lab, parent: region, bill_to: parent}",
        "{id: shop, parent: region, bill_to: parent,"
        " contracts: [{id: shop, plan: euro, start: 2026-01-01}]}",
        "{id: kiosk, parent: shop, bill_to: parent}",
        "{id: apart, parent: region}",
    )
    rows = {table.name: rows for table, rows in catalog_rows(version)}
    paid = {row["customer_id"]: row["billed_customer_id"] for row in rows["customers"]}
    assert paid == {
        "apart": "apart",
        "holding": "holding",
        "kiosk": "holding",
        "lab": "holding",
        "region": "holding",
        "shop": "holding",
    }
    rated = {row["customer_id"]: row["contract_customer_id"] for row in rows["tenants"]}
    assert rated == {
        "apart": "apart",
        "holding": "holding",
        "kiosk": "shop",
        "lab": "holding",
        "region": "holding",
        "shop": "shop",
    }
    # Who is paid for is so in the payer's currency.
    currencies = {customer.id: customer.currency for customer in version.customers}
    assert (currencies["lab"], currencies["apart"]) == ("EUR", "USD")


@pytest.mark.parametrize(
    ("customers", "message"),
    [
        (["{id: a, bill_to: parent}"], r"customers\[0\]: bill_to: parent needs the parent"),
        (["{id: a, parent: b}"], r"customers\[0\]\.parent: there is no customer b"),
        (["{id: a, parent: a}"], r"customers\[0\]\.parent: a is its own parent"),
        (
            ["{id: a, parent: b, bill_to: parent}", "{id: b, parent: a, bill_to: parent}"],
            r"customers\[1\]\.parent: b is its own parent",
        ),
        (
            [HOLDING, "{id: a, parent: holding, bill_to: parent, tax: vat}"],
            r"customers\[1\]\.tax: the invoices of a go to holding",
        ),
        (
            [HOLDING, "{id: a, parent: holding, bill_to: parent, stripe_customer: cus_1}"],
            r"customers\[1\]\.stripe_customer: the invoices of a go to holding",
        ),
        (
            [
                HOLDING,
                "{id: a, parent: holding, bill_to: parent,"
                " contracts: [{id: a, plan: yen, start: 2026-01-01}]}",
            ],
            r"customers\[1\]\.bill_to: a is billed in JPY, and its payer holding in EUR",
        ),
        (
            [
                HOLDING,
                "{id: a, parent: holding, bill_to: parent, invoices: [{id: i, date: 2026-01-01,"
                ' lines: [{description: A, amount: "1.005"}]}]}',
            ],
            r"1\.005 has more decimals than EUR",
        ),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, customers: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        catalog(tmp_path, *customers)


def test_a_child_that_pays_itself_has_taxes_and_a_currency_of_its_own(tmp_path: Path) -> None:
    catalog(
        tmp_path,
        HOLDING,
        "{id: a, parent: holding, tax: vat, stripe_customer: cus_1,"
        " contracts: [{id: a, plan: yen, start: 2026-01-01}]}",
    )
