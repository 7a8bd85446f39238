"""What may be written of an invoice outside of the billing periods, and what is refused."""

from pathlib import Path
from textwrap import dedent

import pytest

from models.catalog import Catalog, load_catalog
from models.catalog_rows import catalog_rows
from models.problems import ConfigurationError
from models.tables import catalog as tables
from tests.unit.catalog_files import write

HEAD = """\
taxes: [{id: vat, percent: "19"}]
customers:
  - id: acme
    currency: EUR
"""
INVOICE = "    invoices: [{id: setup, date: 2026-03-10, lines: [%s]}]\n"


def catalog(folder: Path, lines: str, more: str = "", **settings: bool) -> Catalog:
    text = dedent(HEAD) + more + INVOICE % lines
    return load_catalog(write(folder, {"customers": text}), **settings)


def refused(folder: Path, lines: str, more: str = "", **settings: bool) -> str:
    with pytest.raises(ConfigurationError) as raised:
        catalog(folder, lines, more, **settings)
    [problem] = raised.value.problems
    return str(problem)


@pytest.mark.parametrize(
    "lines",
    [
        '{description: A, amount: "1", quantity: "1", unit_amount: "1"}',
        '{description: A, quantity: "1"}',
        '{description: A, unit_amount: "1"}',
        "{description: A}",
    ],
)
def test_a_line_has_one_amount(tmp_path: Path, lines: str) -> None:
    assert refused(tmp_path, lines).endswith(
        "customers[0].invoices[0].lines[0]: needs an amount, or a quantity and a unit_amount, "
        "and not both"
    )


def test_a_line_names_both_of_its_days_or_neither(tmp_path: Path) -> None:
    line = "{description: A, amount: 1, %s}"
    assert "needs from and to, or neither" in refused(tmp_path, line % "from: 2026-04-01")
    assert "is not after it begins" in refused(tmp_path, line % "from: 2026-04-01, to: 2026-04-01")


def test_an_amount_can_be_paid(tmp_path: Path) -> None:
    assert "1.005 has more decimals than EUR" in refused(
        tmp_path, '{description: A, amount: "1.005"}'
    )
    assert "at most 17 digits" in refused(
        tmp_path, '{description: A, quantity: "100000000000", unit_amount: "10000000000"}'
    )


def test_lines_do_not_come_to_less_than_nothing(tmp_path: Path) -> None:
    lines = '{description: A, quantity: "3", unit_amount: "%s"}, {description: B, amount: "-1.00"}'
    # 3 x 0.3316 are 0.9948, which are 0.99; 3 x 0.332 are 0.996, which are 1.00.
    assert "the lines come to -0.01 EUR" in refused(tmp_path, lines % "0.3316")
    assert catalog(tmp_path, lines % "0.332").customers[0].invoices[0].lines


def test_an_invoice_has_lines(tmp_path: Path) -> None:
    assert "needs at least one line" in refused(tmp_path, "")


def test_a_tax_that_a_line_names_exists_and_is_not_left_to_stripe(tmp_path: Path) -> None:
    line = "{description: A, amount: 1, tax: [%s]}"
    assert "there is no tax gst" in refused(tmp_path, line % "gst")
    by_itself = refused(tmp_path, line % "vat", "    stripe_tax: true\n")
    by_default = refused(tmp_path, line % "vat", default_stripe_tax=True)
    assert by_itself == by_default.replace(":5:", ":6:")
    assert "lines[0].tax: Stripe Tax finds the taxes of acme" in by_itself
    catalog(tmp_path, line % "vat", "    stripe_tax: false\n", default_stripe_tax=True)


def test_invoices_of_one_customer_have_their_own_ids(tmp_path: Path) -> None:
    line = "{id: setup, date: 2026-03-10, lines: [{description: A, amount: 1}]}"
    text = HEAD + f"    invoices: [{line}, {line}]\n"
    with pytest.raises(ConfigurationError, match=r"customers\.yml:5: customers\[0\]\.invoices"):
        load_catalog(write(tmp_path, {"customers": text}))


def test_what_is_written_of_an_invoice_has_a_hash_of_its_own(tmp_path: Path) -> None:
    def of(line: str) -> str:
        return catalog(tmp_path, line).customers[0].invoices[0].content_hash

    assert of("{description: A, amount: 1}") == of('{amount: "1.00", description: A}')
    assert of('{description: A, amount: "1"}') != of('{description: A, amount: "2"}')
    assert of('{description: A, amount: "1"}') != of('{description: A, amount: "1", tax: []}')


def test_a_line_is_for_the_day_of_the_invoice_unless_it_says_otherwise(tmp_path: Path) -> None:
    version = catalog(
        tmp_path,
        "{description: A, amount: 1}, "
        "{description: B, amount: 1, from: 2026-04-01, to: 2026-04-03, tax: vat}",
    )
    rows = {table.name: rows for table, rows in catalog_rows(version)}
    days = [
        (str(row["period_start"]), str(row["period_end"]), row["has_own_taxes"])
        for row in rows[tables.manual_lines.name]
    ]
    assert days == [("2026-03-10", "2026-03-11", False), ("2026-04-01", "2026-04-03", True)]
    [tax] = rows[tables.manual_line_taxes.name]
    assert (tax["line_number"], tax["tax_id"]) == (2, "vat")
