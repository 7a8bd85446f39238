"""The report of a back-test: whole, escaped, and with the figures of the marts."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

from assets.rehearsals.backtest import Backtest, Window
from assets.rehearsals.charts import levels, nice
from assets.rehearsals.report import grade, report

WINDOW = Window(date(2026, 1, 1), date(2026, 3, 1), datetime(2026, 3, 1, tzinfo=UTC))


def amounts(old: str, new: str, **keys: object) -> dict[str, Any]:
    """Return a row of a mart of which all cost is 10."""
    before, after = Decimal(old), Decimal(new)
    change = after - before
    return {
        **keys,
        "revenue_old": before,
        "revenue_new": after,
        "revenue_change": change,
        "revenue_change_percent": 100 * change / before if before > 0 else None,
        "gross_margin_old": before - 10,
        "gross_margin_new": after - 10,
        "gross_margin_change": change,
        "reporting_revenue_old": 2 * before,
        "reporting_revenue_new": 2 * after,
        "reporting_gross_margin_old": 2 * before - 20,
        "reporting_gross_margin_new": 2 * after - 20,
        "reporting_currency": "EUR",
    }


def marts(customer: str = "acme") -> dict[str, list[dict[str, Any]]]:
    outcomes = {1: "pays_more", 0: "pays_the_same", -1: "pays_less"}
    customers = [
        amounts(old, new, customer_id=name, currency="USD", outcome=outcomes[sign])
        for name, old, new, sign in (
            (customer, "390", "464.005", 1),
            ("small", "100", "16", -1),
            ("even", "7", "7", 0),
            ("fresh", "0", "3", 1),
        )
    ]
    bill = {"customer_id": customer, "currency": "USD", "bill_month": date(2026, 2, 1)}
    bill |= {"bill_old": Decimal(300), "bill_new": Decimal(400), "bill_change": Decimal(100)}
    bill |= {"bill_change_percent": Decimal("33.3333"), "shock_rank": 1}
    return {
        "customers": customers,
        "plans": [amounts("497", "490", plan_id="payg", currency="USD")],
        "months": [
            amounts("130", "64", margin_month=date(2026, 1, 1), currency="USD"),
            amounts("367", "426", margin_month=date(2026, 2, 1), currency="USD"),
        ],
        "bills": [bill],
    }


def written(rows: dict[str, list[dict[str, Any]]]) -> str:
    return report(Backtest("0ld", "n3w", WINDOW, rows))


def body(page: str) -> ElementTree.Element:
    """Return the page's body as a tree: it is well-formed, or this fails."""
    found = re.search("<body>.*</body>", page, re.DOTALL)
    assert found is not None
    return ElementTree.fromstring(found.group())  # noqa: S314 - we have just written it.


def test_totals_are_those_of_the_months() -> None:
    cards = [
        "".join(card.itertext())
        for card in body(written(marts())).iter()
        if card.get("class") == "card"
    ]
    assert cards[0] == "Revenue490.00old 497.00, -7.00 (-1.41 %)"
    assert cards[1] == "Gross margin470.00old 477.00, -7.00 (-1.47 %)"
    assert cards[2] == "Customers42 pay more, 1 pay less, 1 pay the same"


def test_several_currencies_add_up_in_that_of_the_company() -> None:
    assert "All currencies" not in written(marts())
    rows = marts()
    rows["months"].append(amounts("3", "5", margin_month=date(2026, 1, 1), currency="CHF"))
    shown = "".join(body(written(rows)).itertext())
    assert "All currencies, in EURRevenue990.00old 1,000.00, -10.00 (-1.00 %)" in shown


def test_every_table_says_what_the_marts_say() -> None:
    rows = [
        [cell.text or "" for cell in row]
        for row in body(written(marts())).iter()
        if row.tag == "tr"
    ]
    assert ["acme", "2026-02", "300.00", "400.00", "100.00", "+33.3"] in rows
    assert ["small", "100.00", "16.00", "-84.00", "-84.0", "90.00", "6.00", "-84.00"] in rows
    # From nothing there is no percentage; who pays the same is in no table.
    assert ["fresh", "0.00", "3.00", "3.00", "", "-10.00", "-7.00", "3.00"] in rows
    assert not [row for row in rows if row[0] == "even"]


def test_what_customers_are_called_is_no_markup() -> None:
    page = written(marts("<script>alert('you & me')</script>"))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    body(page)


def test_a_window_without_lines_is_said_to_be_empty() -> None:
    page = written({"customers": [], "plans": [], "months": [], "bills": []})
    assert "No line begins in this window" in "".join(body(page).itertext())


def test_nothing_is_fetched_from_elsewhere() -> None:
    assert not re.search(r"https?://|url\(|src=|href=|@import", written(marts()))


def test_margins_that_are_not_known_are_not_added_up() -> None:
    rows = marts()
    rows["months"][0] |= {"gross_margin_old": None, "gross_margin_change": None}
    assert "carries cost in another currency" in written(rows)


def test_amounts_below_zero_are_drawn() -> None:
    rows = marts()
    rows["months"] = [amounts("-5", "0", margin_month=date(2026, 1, 1), currency="USD")]
    rows["plans"] = [amounts("-5", "0", plan_id="payg", currency="USD")]
    heights = [Decimal(bar.get("height", "")) for bar in body(written(rows)).iter("rect")]
    assert heights
    assert min(heights) >= 0


def test_changes_belong_to_the_grade_up_to_whose_bound_they_come() -> None:
    percents = ("0.01", "10", "10.01", "-20", "-50", "50.01")
    assert [grade(Decimal(percent)) for percent in percents] == [
        "up to 10 %",
        "up to 10 %",
        "10-20 %",
        "10-20 %",
        "20-50 %",
        "over 50 %",
    ]
    assert grade(None) == "over 50 %"


def test_scales_end_at_round_amounts() -> None:
    assert [nice(Decimal(amount)) for amount in ("0.3", "1", "21", "2600", "99")] == [
        Decimal("0.5"),
        1,
        25,
        5000,
        100,
    ]
    assert levels(Decimal(-20), Decimal(100)) == [0, 25, 50, 75, 100]
    assert levels(Decimal(0), Decimal(0)) == [0]
