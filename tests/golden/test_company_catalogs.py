"""The published prices of five companies come to the invoices that were worked out by hand."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from models.catalog import load_catalog
from models.money import minor_units
from tests.conftest import fresh_pipeline
from tests.golden.company_pages import CATALOGS, Company, companies, worked_out
from tests.golden.pricing_page import Table, as_shown

COMPANIES = companies()
AS_OF = datetime(2026, 10, 1, tzinfo=UTC)
LINES = """
    select
        invoices.invoice_id, lines.period_start as "from", lines.period_end as "to",
        lines.kind as line, coalesce(lines.charge_id, lines.reference_id) as charge,
        lines.quantity, lines.exact_amount, lines.amount, lines.currency
    from marts.fct_invoices as invoices
    inner join marts.fct_invoice_lines as lines on invoices.invoice_id = lines.invoice_id
    order by invoices.invoice_id, lines.line_number
"""
TOTALS = "select invoice_id, total, currency from marts.fct_invoices order by invoice_id"
SHOWN = ("from", "to", "line", "charge", "quantity", "amount")


INVOICES = {
    invoice_id: told for company in COMPANIES for invoice_id, told in company.invoices.items()
}
each_invoice = pytest.mark.parametrize(("invoice_id", "told"), INVOICES.items(), ids=INVOICES)


@pytest.fixture(scope="module")
def rated(postgres, prepared_template, tmp_path_factory) -> Iterator[dict[str, list]]:
    """The lines of each invoice, of the catalogs and the usage of all companies at once."""
    directory = tmp_path_factory.mktemp("companies")
    with fresh_pipeline(postgres, prepared_template, directory) as pipeline:
        pipeline.publish(CATALOGS)
        records = [record for company in COMPANIES for record in company.records()]
        assert pipeline.deliver("companies", records).landed_count == len(records)
        pipeline.build(AS_OF)
        found: dict[str, list] = {row.invoice_id: [row] for row in pipeline.rows(TOTALS)}
        for row in pipeline.rows(LINES):
            found[row.invoice_id].append(row)
        yield found


def lines_of(told: Table) -> Table:
    return [row for row in told if row["line"] != "total"]


def total_of(told: Table) -> dict[str, str]:
    (row,) = (row for row in told if row["line"] == "total")
    return row


def money(amount: Decimal, currency: str) -> str:
    return f"{amount:.{minor_units(currency)}f}"


def test_every_catalog_has_a_page() -> None:
    folders = {page.parent.name for page in CATALOGS.rglob("*.yml")}
    assert {company.name for company in COMPANIES} == folders
    assert len(folders) == 5


@pytest.mark.parametrize("company", COMPANIES, ids=lambda company: company.name)
def test_a_catalog_stands_on_its_own(company: Company) -> None:
    catalog = load_catalog(CATALOGS / company.name)
    assert {invoice_id.split(":")[0] for invoice_id in company.invoices} == set(catalog.contracts)


@pytest.mark.parametrize("told", INVOICES.values(), ids=INVOICES)
def test_arithmetic_by_hand_is_right(told: Table) -> None:
    cent = Decimal("0.01")
    for row in told:
        exact = worked_out(row["arithmetic"])
        rounded = (abs(exact) + cent / 2) // cent * cent
        assert abs(Decimal(row["amount"])) == rounded, row
        assert exact * Decimal(row["amount"]) >= 0, row
    amounts = [Decimal(row["amount"]) for row in lines_of(told)]
    assert sum(amounts) == Decimal(total_of(told)["amount"])


@each_invoice
def test_an_invoice_is_what_was_worked_out_by_hand(invoice_id: str, told: Table, rated) -> None:
    total, *lines = rated[invoice_id]
    assert [
        {
            column: money(row.amount, row.currency)
            if column == "amount"
            else as_shown(row._mapping[column])
            for column in SHOWN
        }
        for row in lines
    ] == [{column: row[column] for column in SHOWN} for row in lines_of(told)]
    assert money(total.total, total.currency) == total_of(told)["amount"]


@each_invoice
def test_exact_amounts_are_those_of_the_arithmetic(invoice_id: str, told: Table, rated) -> None:
    _, *lines = rated[invoice_id]
    expected = [worked_out(row["arithmetic"]) for row in lines_of(told)]
    # Stretches of days are rounded each, in the twelfth decimal.
    assert [
        abs(row.exact_amount - exact) <= Decimal("1e-12")
        for row, exact in zip(lines, expected, strict=True)
    ] == [True] * len(lines)


def test_every_invoice_is_told(rated) -> None:
    assert {invoice_id for invoice_id, lines in rated.items() if len(lines) > 1} == {*INVOICES}
